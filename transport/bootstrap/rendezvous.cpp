#include "transport/bootstrap/rendezvous.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace tutti {
namespace {

/// A world of one: nobody to meet.
class Alone final : public Rendezvous {
 public:
  std::vector<Card> exchange(Card mine) override {
    std::vector<Card> cards;
    cards.push_back(std::move(mine));
    return cards;
  }
  int pid_of(int /*rank*/) const override { return getpid(); }
  void barrier() override {}
};

/// The descriptors of all cards, rank 0's connections, and some for the program itself. Where the
/// soft limit is too low for them it is raised, as far as it may be: large worlds do not fit into
/// the usual 1024. Nobody knows yet how many ranks are threads of this process, and each of them
/// holds those of all ranks of other processes: in the worst case half the ranks of the other half.
void make_room_for_descriptors(int size) {
  constexpr rlim_t kOthers = 256;
  const auto ranks = static_cast<rlim_t>(size);
  const rlim_t wanted = ranks * (kMostFds + 1) + ranks * ranks / 4 + kOthers;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);  // if refused, running out is an error later, where it happens
}

std::string join_names(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += names[i];
  }
  return text;
}

}  // namespace

std::unique_ptr<Rendezvous> meet(const World& world) {
  if (world.size == 1) return std::make_unique<Alone>();
  make_room_for_descriptors(world.size);
  return world.rank == 0 ? make_host(world) : make_guest(world);
}

Message card_message(int rank, Card card) {
  if (card.blob.size() > kMostPayload || card.fds.size() > kMostFds)
    throw Error(TUTTI_INTERNAL, "rank " + std::to_string(rank) + ": a card of " +
                                    std::to_string(card.blob.size()) + " bytes and " +
                                    std::to_string(card.fds.size()) + " descriptors is too large");
  return {.kind = Kind::kCard,
          .rank = rank,
          .value = getpid(),
          .payload = std::move(card.blob),
          .fds = std::move(card.fds)};
}

std::string name_ranks(const std::vector<int>& ranks) {
  constexpr std::size_t kMostNames = 16;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t end = i + 1;  // [i, end) is a run without gaps
    while (end < ranks.size() && ranks[end] == ranks[end - 1] + 1) ++end;
    if (end - i < 3) end = i + 1;
    if (names.size() == kMostNames) {
      names.push_back(std::to_string(ranks.size() - i) + " more");
      break;
    }
    names.push_back(std::to_string(ranks[i]) +
                    (end - i > 1 ? "–" + std::to_string(ranks[end - 1]) : ""));
    i = end;
  }
  return (ranks.size() == 1 ? "rank " : "ranks ") + join_names(names);
}

std::string place_of(const World& world) {
  constexpr std::size_t kLongest = 80;
  if (world.address.size() <= kLongest) return "at '" + world.address + "'";
  return "at '" + world.address.substr(0, kLongest) + "…'";
}

std::string in_ms(std::chrono::milliseconds time) { return std::to_string(time.count()) + " ms"; }

std::string name_version(std::int32_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

}  // namespace tutti

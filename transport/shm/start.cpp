#include "transport/shm/start.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "kernels/error.h"
#include "transport/bootstrap/usable_cpus.h"
#include "transport/shm/cross_memory.h"
#include "transport/system_error.h"

namespace tutti {
namespace {

static_assert(kMaxShmRanks == kMaxHostRanks);

constexpr std::size_t kMaskWords = 64;  // 4096 CPUs; more count as not usable

/// The part of a rank's card that is not descriptors.
struct CardText {
  std::uint64_t magic = kSegmentMagic;
  std::uint64_t id = 0;
  std::uint64_t probe = 0;  // address of a word that holds `id`
  std::uint64_t cpus[kMaskWords] = {};
  std::uint64_t quota = 0;  // CPUs that control groups grant it
  std::uint64_t membarrier = 0;
  std::uint64_t cross_memory = 0;  // a CrossMemory
};
static_assert(sizeof(CardText) <= 4096);

/// The ranks of this process that are starting. A static, because nothing else but the process is
/// common to ranks that are threads; it is empty again when they have started.
struct Starting {
  struct Rank {
    std::shared_ptr<OwnSegment> own;
    std::shared_ptr<Control> control;  // rank 0's
  };
  std::mutex mutex;
  std::map<std::uint64_t, Rank> ranks;  // by id; guarded by mutex
};

Starting& starting() {
  static Starting the_ranks;
  return the_ranks;
}

std::uint64_t random_id() {
  std::uint64_t value = 0;
  if (getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value))
    throw Error(TUTTI_SYSTEM, errno_text("asking for a random number", errno));
  return value;
}

UniqueFd duplicate(int fd) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) throw system_error("duplicating a descriptor", errno);
  return copy;
}

[[noreturn]] void refuse_card(int rank) {
  throw Error(TUTTI_SYSTEM, "rank " + std::to_string(rank) + " sent a card of another version");
}

CardText read_card(const Card& card, int rank) {
  CardText text;
  if (card.blob.size() == sizeof text) std::memcpy(&text, card.blob.data(), sizeof text);
  if (card.blob.size() != sizeof text || text.magic != kSegmentMagic) refuse_card(rank);
  return text;
}

}  // namespace

Start::Start(const World& world, Rendezvous* rendezvous)
    : world_(world), rendezvous_(rendezvous), id_(random_id()) {}

Start::~Start() {
  const std::lock_guard lock(starting().mutex);
  starting().ranks.erase(id_);
}

const Joined& Start::meet() {
  const auto size = static_cast<std::size_t>(world_.size);
  joined_.membarrier = register_membarrier();
  joined_.own = std::make_shared<OwnSegment>(world_.rank, world_.size);
  if (world_.rank == 0) joined_.control = std::make_shared<Control>(world_.size);
  joined_.peers.resize(size);
  joined_.pids.assign(size, getpid());
  joined_.same_process.assign(size, true);
  if (world_.size > 1) exchange();
  return joined_;
}

void Start::exchange() {
  if (world_.cross_memory != CrossMemory::kNever) permit_cross_memory();
  {
    const std::lock_guard lock(starting().mutex);
    starting().ranks[id_] = {joined_.own, joined_.control};
  }
  std::vector<Card> cards = rendezvous_->exchange(make_card());
  if (cards.size() != joined_.peers.size())
    throw Error(TUTTI_INTERNAL, "the rendezvous lost a rank's card");
  CpuMask cpus(kMaskWords);
  std::uint64_t quota = kMaskWords * 64;
  CrossMemory wish = CrossMemory::kWhereCoresAreShared;
  for (int peer = 0; peer < world_.size; ++peer) {
    Card& card = cards[static_cast<std::size_t>(peer)];
    const CardText text = read_card(card, peer);
    joined_.membarrier = joined_.membarrier && text.membarrier != 0;
    for (std::size_t word = 0; word < kMaskWords; ++word) cpus[word] |= text.cpus[word];
    quota = std::min(quota, text.quota);
    // The strictest: kNever is the greatest, and a peer's number may be any.
    const auto theirs = std::min<std::uint64_t>(text.cross_memory, 2);
    wish = std::max(wish, static_cast<CrossMemory>(theirs));
    if (peer != world_.rank) meet_peer(peer, std::move(card));
  }
  joined_.cpus = std::max(std::min(count_cpus(cpus), static_cast<int>(quota)), 1);
  joined_.cross_memory = reads_across(wish, joined_.oversubscribed());
}

Card Start::make_card() {
  CardText text;
  text.id = id_;
  text.probe = reinterpret_cast<std::uintptr_t>(&id_);
  text.membarrier = joined_.membarrier ? 1 : 0;
  text.cross_memory = static_cast<std::uint64_t>(world_.cross_memory);
  text.quota = static_cast<std::uint64_t>(quota_cpus());
  const CpuMask mask = allowed_cpus();
  std::copy_n(mask.begin(), std::min(mask.size(), kMaskWords), text.cpus);
  Card card;
  card.fds.push_back(duplicate(joined_.own->fd()));
  if (joined_.control) card.fds.push_back(duplicate(joined_.control->fd()));
  card.blob.resize(sizeof text);
  std::memcpy(card.blob.data(), &text, sizeof text);
  return card;
}

void Start::meet_peer(int peer, Card card) {
  const auto index = static_cast<std::size_t>(peer);
  const CardText text = read_card(card, peer);
  joined_.pids[index] = rendezvous_->pid_of(peer);
  Starting::Rank neighbour;  // stays empty if the peer is of another process
  {
    const std::lock_guard lock(starting().mutex);
    if (const auto it = starting().ranks.find(text.id); it != starting().ranks.end())
      neighbour = it->second;
  }
  joined_.same_process[index] = neighbour.own != nullptr;
  if (neighbour.own) {
    joined_.peers[index] = std::make_unique<PeerSegment>(neighbour.own, world_.size);
    if (peer == 0) joined_.control = neighbour.control;
    return;
  }
  // A rank of this process that has failed: throws why. (Its number alone does not tell: in another
  // PID namespace another process may have the same.)
  if (card.fds.empty() && joined_.pids[index] == getpid()) rendezvous_->barrier();
  if (card.fds.size() != (peer == 0 ? 2 : 1)) refuse_card(peer);
  joined_.peers[index] = std::make_unique<PeerSegment>(std::move(card.fds[0]), peer, world_.size);
  if (peer == 0) joined_.control = std::make_shared<Control>(std::move(card.fds[1]), world_.size);
  if (world_.cross_memory != CrossMemory::kNever) probe(peer, text.probe, text.id);
}

/// Says, where the peers see it, whether this rank can read that one's memory.
void Start::probe(int peer, std::uint64_t address, std::uint64_t value) {
  std::uint64_t found = 0;
  const auto read = cross_read(joined_.pids[static_cast<std::size_t>(peer)], address,
                               reinterpret_cast<std::byte*>(&found), sizeof found);
  joined_.own->header().can_read[peer].store(read == CrossRead::kDone && found == value,
                                             std::memory_order_release);
}

Joined Start::finish() {
  if (rendezvous_ != nullptr) rendezvous_->barrier();
  return std::move(joined_);
}

}  // namespace tutti

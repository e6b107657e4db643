// How a communicator is split: its ranks tell each other what they want, and then where they have
// made room for it.
#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "collectives/communicator.h"

namespace tutti {
namespace {

constexpr std::uint64_t kNoColour = std::numeric_limits<std::uint64_t>::max();

/// What a rank says of its room. By the first word it is known whether there is any.
enum Room : std::uint64_t { kNone, kMade, kRefused };

}  // namespace

void Communicator::all_gather(std::span<const std::uint64_t> own, std::span<std::uint64_t> all) {
  run({.key = {.collective = Collective::kAllGather, .dtype = Dtype::kU64, .count = own.size()},
       .buffers = {reinterpret_cast<const std::byte*>(own.data()),
                   reinterpret_cast<std::byte*>(all.data())}});
}

/// Makes room for channels among `size` ranks (0: none), and returns all ranks' offers. Either all
/// ranks have theirs or all throw.
std::vector<ChannelOffer> Communicator::exchange_offers(int size) {
  ChannelOffer own;
  std::uint64_t room = kNone;
  try {
    if (size > 0) {
      own = transport_->offer(size);
      room = kMade;
    }
  } catch (const Error&) {
    room = kRefused;
  }
  const std::array<std::uint64_t, 4> words{room, own.slot, own.closed, own.offset};
  std::vector<std::uint64_t> all(words.size() * static_cast<std::size_t>(this->size()));
  all_gather(words, all);
  std::vector<ChannelOffer> offers;
  for (std::size_t at = 0; at < all.size(); at += words.size()) {
    if (all[at] == kRefused) {
      if (room == kMade) transport_->withdraw(own);
      throw Error(TUTTI_NO_MEMORY,
                  "rank " +
                      std::to_string(transport_->world_rank(static_cast<int>(offers.size()))) +
                      " has no memory for a further communicator, or has 1024 already");
    }
    offers.push_back({all[at + 1], all[at + 2], all[at + 3]});
  }
  return offers;
}

std::unique_ptr<Communicator> Communicator::split(std::optional<int> colour, int key) {
  const std::array<std::uint64_t, 2> wish{
      colour ? static_cast<std::uint64_t>(*colour) : kNoColour,
      static_cast<std::uint64_t>(std::int64_t{key} - std::numeric_limits<int>::min())};
  std::vector<std::uint64_t> wishes(wish.size() * static_cast<std::size_t>(size()));
  all_gather(wish, wishes);
  const auto wish_of = [&](int rank, std::size_t word) {
    return wishes[wish.size() * static_cast<std::size_t>(rank) + word];
  };
  std::vector<int> ranks;
  for (int rank = 0; colour && rank < size(); ++rank)
    if (wish_of(rank, 0) == wish[0]) ranks.push_back(rank);
  std::ranges::stable_sort(ranks, {}, [&](int rank) { return wish_of(rank, 1); });

  const auto offers = exchange_offers(static_cast<int>(ranks.size()));
  if (!colour) return nullptr;
  std::vector<ChannelOffer> members;
  for (const int rank : ranks) members.push_back(offers[static_cast<std::size_t>(rank)]);
  family_->share();
  return std::make_unique<Communicator>(*this, transport_->open(ranks, members));
}

}  // namespace tutti

#include "transport/shm/channel_set.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "kernels/error.h"

namespace tutti {

ChannelSet::ChannelSet(int rank, const OwnSegment& own,
                       const std::vector<std::unique_ptr<PeerSegment>>& peers)
    : ranks_(peers.size()),
      self_(rank),
      layout_(ChannelLayout::of(static_cast<int>(peers.size()))),
      own_(own.channels()),
      peers_(peers.size()) {
  std::iota(ranks_.begin(), ranks_.end(), 0);
  for (std::size_t peer = 0; peer < peers.size(); ++peer)
    if (peers[peer]) peers_[peer] = peers[peer]->channels();
}

ChannelSet::~ChannelSet() {
  if (owner_ != nullptr) owner_->close(slot_);
}

ChannelSets::ChannelSets(int rank, Control& control, OwnSegment& own,
                         const std::vector<std::unique_ptr<PeerSegment>>& peers)
    : rank_(rank), control_(control), own_(own), peers_(peers) {}

ChannelOffer ChannelSets::offer(int size) {
  const std::lock_guard lock(mutex_);
  collect();
  const auto free = std::ranges::find(slots_, nullptr, &Slot::memory);
  const auto slot = static_cast<std::size_t>(free - slots_.begin());
  if (slot == kMaxChannelSets)
    throw Error(TUTTI_NO_MEMORY, std::to_string(kMaxChannelSets) +
                                     " communicators are in use, or some rank has not freed them");
  if (free == slots_.end()) slots_.emplace_back();
  std::byte* const memory = own_.reserve(kChannels * ChannelLayout::of(size).bytes);
  slots_[slot].memory = memory;
  const auto offset = static_cast<std::uint64_t>(memory - own_.base());
  return {slot, own_.header().sets_closed[slot].load(std::memory_order_relaxed), offset};
}

void ChannelSets::withdraw(const ChannelOffer& offer) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[offer.slot];
  own_.deallocate(slot.memory);
  slot.memory = nullptr;
}

std::shared_ptr<const ChannelSet> ChannelSets::open(std::span<const int> ranks,
                                                    std::span<const ChannelOffer> offers) {
  const auto set = std::make_shared<ChannelSet>();
  set->ranks_.assign(ranks.begin(), ranks.end());
  set->layout_ = ChannelLayout::of(set->size());
  const std::size_t bytes = kChannels * set->layout_.bytes;
  std::vector<Other> others;
  for (std::size_t member = 0; member < ranks.size(); ++member) {
    const ChannelOffer& offer = offers[member];
    const int rank = ranks[member];
    if (rank == rank_) {
      set->self_ = static_cast<int>(member);
      set->peers_.push_back(nullptr);
      continue;
    }
    PeerSegment& peer = *peers_[static_cast<std::size_t>(rank)];
    const auto memory = peer.at(offer.offset, bytes);
    if (offer.slot >= kMaxChannelSets || offer.offset % kPageBytes != 0 ||
        !peer.is_arena(offer.offset) || memory.size() < bytes)
      throw Error(TUTTI_PEER_FAILED,
                  "rank " + std::to_string(rank) + " offered channels in a wrong place");
    set->peers_.push_back(memory.data());
    others.push_back({rank, offer.slot, offer.closed});
  }
  const ChannelOffer& own = offers[static_cast<std::size_t>(set->self_)];
  const std::lock_guard lock(mutex_);
  slots_[own.slot].others = std::move(others);
  set->own_ = slots_[own.slot].memory;
  set->slot_ = own.slot;
  set->owner_ = this;
  return set;
}

void ChannelSets::close(std::size_t slot) {
  const std::lock_guard lock(mutex_);
  slots_[slot].open = false;
  // release: this rank's last look at its peers' memory comes before; partner: gone()
  own_.header().sets_closed[slot].fetch_add(1, std::memory_order_release);
}

/// Whether a member looks no longer at this rank's memory.
bool ChannelSets::gone(const Other& other) const {
  const PeerSegment& peer = *peers_[static_cast<std::size_t>(other.rank)];
  // acquire: partners are close(), and the life thread's end
  const auto& closed = peer.header().sets_closed[other.slot];
  if (closed.load(std::memory_order_acquire) != other.closed) return true;
  const std::uint32_t life = control_.of(other.rank).life.load(std::memory_order_acquire);
  return life == kLifeLeft || (life & kLifeDied) != 0;
}

/// Takes back what nobody reads any more.
void ChannelSets::collect() {
  for (Slot& slot : slots_) {
    if (slot.memory == nullptr || slot.open) continue;
    const auto here = [this](const Other& other) { return !gone(other); };
    if (std::ranges::any_of(slot.others, here)) continue;
    own_.deallocate(slot.memory);
    slot = {};
  }
}

}  // namespace tutti

// The channels of a communicator, as places in its members' segments.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "transport/shm/control.h"
#include "transport/shm/layout.h"
#include "transport/shm/segment.h"

namespace tutti {

class ChannelSets;

/// Closes with its destruction.
class ChannelSet {
 public:
  ChannelSet() = default;  // ChannelSets fills it
  /// The world's: in fixed places of all segments, for as long as these live.
  ChannelSet(int rank, const OwnSegment& own,
             const std::vector<std::unique_ptr<PeerSegment>>& peers);
  ~ChannelSet();
  ChannelSet(const ChannelSet&) = delete;
  ChannelSet& operator=(const ChannelSet&) = delete;

  int size() const { return static_cast<int>(ranks_.size()); }
  /// This rank's number among the members.
  int self() const { return self_; }
  /// A member's rank in the world.
  int world_rank(int member) const { return ranks_[static_cast<std::size_t>(member)]; }

  /// The memory of channel `number`: this rank's, and that of another member.
  ChannelMemory<std::byte> own(int number) const { return {own_ + offset(number), layout_}; }
  ChannelMemory<const std::byte> of(int member, int number) const {
    return {peers_[static_cast<std::size_t>(member)] + offset(number), layout_};
  }

 private:
  friend class ChannelSets;
  std::size_t offset(int number) const { return static_cast<std::size_t>(number) * layout_.bytes; }

  std::vector<int> ranks_;
  int self_ = 0;
  ChannelLayout layout_{};
  std::byte* own_ = nullptr;
  std::vector<const std::byte*> peers_;  // by member; own: null
  ChannelSets* owner_ = nullptr;         // null: the world's
  std::size_t slot_ = 0;
};

/// The sets beside the world's that a rank has. Their memory lies in its arena. A member that has
/// closed its part may have peers that still read there: the memory comes back, in a later offer(),
/// when all members have closed theirs. Any thread.
class ChannelSets {
 public:
  ChannelSets(int rank, Control& control, OwnSegment& own,
              const std::vector<std::unique_ptr<PeerSegment>>& peers);

  /// Transport::offer() and withdraw().
  ChannelOffer offer(int size);
  void withdraw(const ChannelOffer& offer);

  /// The set of these ranks of the world, this one among them, by their offers. Throws
  /// TUTTI_PEER_FAILED naming the rank whose offer is not one.
  std::shared_ptr<const ChannelSet> open(std::span<const int> ranks,
                                         std::span<const ChannelOffer> offers);

 private:
  friend class ChannelSet;

  /// The part that another member has.
  struct Other {
    int rank = 0;
    std::uint64_t slot = 0, closed = 0;
  };
  struct Slot {
    std::byte* memory = nullptr;  // null: free
    bool open = true;             // or offered
    std::vector<Other> others;
  };

  void close(std::size_t slot);
  void collect();
  bool gone(const Other& other) const;

  const int rank_;
  Control& control_;
  OwnSegment& own_;
  const std::vector<std::unique_ptr<PeerSegment>>& peers_;  // by rank; own: null
  std::mutex mutex_;
  std::vector<Slot> slots_;  // guarded by mutex_
};

}  // namespace tutti

// Whether a peer is near: whether its core shares a cache with this rank's.
//
// A hypervisor moves virtual cores about, so this changes while ranks run, and nobody says when. It
// shows in how long a line takes to come that the peer has just written: from a shared cache less
// than from memory, else more. A peer that is near reads best what ordinary stores have left in the
// shared cache; one that is far, what was stored past the caches.
#pragma once

#include <chrono>

namespace tutti {

class Distance {
 public:
  using Clock = std::chrono::steady_clock;

  /// About every eighth line should be timed: reading the clock twice takes as long as a line.
  bool due() { return ++lines_ % 8 == 0; }

  /// A line that the peer had written since this rank read it last took so long to come.
  void note(Clock::duration took) {
    const bool far = took >= kMemory;
    votes_ += far ? votes_ < kMostVotes : -(votes_ > 0);
  }

  bool far() const { return votes_ > kMostVotes / 2; }

 private:
  /// Where memory is reached, and no shared cache, with the reading of the clock. A line came in 60
  /// to 110 ns near, and in 190 to 270 far, on the machines that were measured.
  static constexpr std::chrono::nanoseconds kMemory{140};
  static constexpr int kMostVotes = 7;

  unsigned lines_ = 0;
  int votes_ = kMostVotes / 2 + 1;  // those for far among the last few
};

}  // namespace tutti

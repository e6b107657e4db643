// All that a rank knows about one peer. Fixed when the start is over.
#pragma once

#include <cstddef>
#include <span>

#include "transport/shm/control.h"
#include "transport/shm/fault.h"
#include "transport/shm/layout.h"
#include "transport/shm/segment.h"

namespace tutti {

struct PeerLink {
  static constexpr std::size_t kNeverCross = static_cast<std::size_t>(-1);

  int rank = 0;  // in the world
  int pid = 0;
  bool same_process = false;
  std::size_t cross_from = kNeverCross;  // longer messages to it are so read; others are staged
  bool membarrier = true;        // every rank has it, so that what seldom happens pays for order
  bool fences_posts = false;     // it has not, and ranks sleep often: each post is fenced
  int polls = 0;                 // further looks at a line that has not come yet
  Edge* mine = nullptr;          // what this rank writes: in its own segment
  const Edge* theirs = nullptr;  // what the peer writes: in the peer's segment
  RankControl* control = nullptr;
  OwnSegment* own = nullptr;
  PeerSegment* segment = nullptr;
  const CallBoard* own_calls = nullptr;
  const CallBoard* peers_calls = nullptr;
  bool same_order = true;  // all ranks make these calls in the same order
  FaultBoard* faults = nullptr;
  std::span<std::byte> stage;    // for long messages to it
  std::span<std::byte> landing;  // for long messages from it; both for all lanes together

  /// "rank 3"
  std::string name() const { return "rank " + std::to_string(rank); }
};

}  // namespace tutti

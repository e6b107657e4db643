// The control file: doorbells, signs of life and the one fault record, written by all ranks.
#pragma once

#include <chrono>
#include <cstdint>

#include "transport/shm/layout.h"
#include "transport/shm/memory_file.h"

namespace tutti {

class Control {
 public:
  /// Rank 0's: makes the file. Throws TUTTI_NO_MEMORY, TUTTI_SYSTEM.
  explicit Control(int size);
  /// Anybody else's. Throws also if the file is too short.
  Control(UniqueFd fd, int size);

  int fd() const { return file_.fd(); }
  ControlHeader& header() { return *reinterpret_cast<ControlHeader*>(memory_.data()); }
  RankControl& of(int rank) {
    return reinterpret_cast<RankControl*>(memory_.data() + sizeof(ControlHeader))[rank];
  }

 private:
  MemoryFile file_;
  Mapping memory_;
};

/// Whether this process is one that a heavy fence reaches. False: the system does not offer it.
bool register_membarrier();

/// Between a store and a load of what another rank stores: of two ranks that do so, at least one
/// sees the other's store. The frequent one takes the light fence and pays nothing, since the heavy
/// one makes every thread of all registered processes pass a full fence. Without `membarrier`, both
/// are full fences.
inline void light_fence(bool membarrier) {
  if (membarrier) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}
void heavy_fence(bool membarrier);

/// Wakes the rank if it is asleep. Call after the store that it should see. Costs a load if it is
/// awake. `full_fence`: between the two; else the partner, Waiter::arm(), must have a heavy fence,
/// or a rank that falls asleep meanwhile hears of the store when its slice ends.
void wake(RankControl& rank);
inline void wake_if_asleep(RankControl& rank, bool full_fence) {
  light_fence(!full_fence);
  // relaxed: partner is Waiter::arm(), see above
  if (rank.asleep.load(std::memory_order_relaxed) != 0) wake(rank);
}

/// Wakes the rank, or keeps it from sleeping if it is about to.
void ring(RankControl& rank);

/// Sleeps until the doorbell is no longer `seen`, at most `limit`. Shared futex.
void sleep_on(RankControl& rank, std::uint32_t seen, std::chrono::microseconds limit);

/// Sleeps on a word of this process until it is no longer `seen`, at most `limit`.
void sleep_on_private(std::atomic<std::uint32_t>& word, std::uint32_t seen,
                      std::chrono::milliseconds limit);
void wake_private(std::atomic<std::uint32_t>& word);

}  // namespace tutti

// Which blocks of an edge's staging area are in use. The four lanes share them; each can always
// get one, or a lane that waits for another one's reader could wait for ever.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "transport/shm/layout.h"

namespace tutti {

class StagingPool {
 public:
  /// Neighbouring blocks, as a mask. `mask` 0: none.
  struct Run {
    std::uint32_t mask = 0;
    std::size_t offset() const {
      return static_cast<std::size_t>(std::countr_zero(mask)) * kStagingBlockBytes;
    }
    std::size_t bytes() const {
      return static_cast<std::size_t>(std::popcount(mask)) * kStagingBlockBytes;
    }
  };

  /// Up to `want` (at least 1) neighbouring blocks for `lane`: the longest run that may be had.
  Run take(int lane, int want) {
    int waiting = 0;  // other lanes that hold none
    for (int other = 0; other < kLanes; ++other) waiting += other != lane && held_[other] == 0;
    const int may = std::popcount(free_) - waiting;
    Run run = longest(want < may ? want : may);
    free_ &= ~run.mask;
    held_[lane] |= run.mask;
    return run;
  }

  void give(int lane, std::uint32_t mask) {
    free_ |= mask;
    held_[lane] &= ~mask;
  }

 private:
  Run longest(int limit) const {
    for (int n = limit; n > 0; --n) {
      const std::uint32_t run = (1u << n) - 1;
      for (int at = 0; at + n <= kStagingBlocks; ++at)
        if ((free_ >> at & run) == run) return {run << at};
    }
    return {};
  }

  std::uint32_t free_ = (1u << kStagingBlocks) - 1;
  std::uint32_t held_[kLanes] = {};
};

}  // namespace tutti

// Which blocks of a staging area are in use. The four lanes of an edge share it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "transport/shm/distance.h"
#include "transport/shm/layout.h"

namespace tutti {

class StagingPool {
 public:
  /// Neighbouring blocks. `blocks` 0: none.
  struct Run {
    std::uint64_t mask = 0;
    int blocks = 0;
  };

  /// At most 64 blocks; none where `area` is empty. If there are enough, each lane can always get
  /// one: else a lane that waits for another one's reader could wait for ever.
  StagingPool(std::span<std::byte> area, std::size_t block_bytes)
      : area_(area),
        block_bytes_(block_bytes),
        blocks_(static_cast<int>(std::min<std::size_t>(area.size() / block_bytes, 64))),
        free_(blocks_ == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << blocks_) - 1),
        free_blocks_(blocks_) {}

  /// Up to `want` (at least 1) neighbouring blocks for `lane`: the longest run that may be had.
  Run take(int lane, int want) {
    int may = free_blocks_;
    if (blocks_ >= 2 * kLanes) {
      for (int other = 0; other < kLanes; ++other) may -= other != lane && held_[other] == 0;
    }
    const Run run = longest(std::min(want, may));
    if (run.blocks > 0) next_ = std::countr_zero(run.mask) + run.blocks;
    free_ &= ~run.mask;
    free_blocks_ -= run.blocks;
    held_[lane] += run.blocks;
    return run;
  }

  void give(int lane, const Run& run) {
    free_ |= run.mask;
    free_blocks_ += run.blocks;
    held_[lane] -= run.blocks;
  }

  bool holds(int lane) const { return held_[lane] > 0; }
  std::size_t block_bytes() const { return block_bytes_; }
  /// Where the run lies.
  std::span<std::byte> bytes(const Run& run) const {
    return area_.subspan(static_cast<std::size_t>(std::countr_zero(run.mask)) * block_bytes_,
                         static_cast<std::size_t>(run.blocks) * block_bytes_);
  }

 private:
  /// A run of `limit` free blocks, or of as many as there are. Goes round: blocks used long ago
  /// have left the reader's cache, and need not be won back from it.
  Run longest(int limit) const {
    const Run ahead = next_ < blocks_ ? first_of(free_ & ~std::uint64_t{0} << next_, limit) : Run{};
    if (ahead.blocks == limit) return ahead;
    const Run any = first_of(free_, limit);
    return any.blocks > ahead.blocks ? any : ahead;
  }

  /// The first run of `limit` of these blocks, or the longest.
  static Run first_of(std::uint64_t free, int limit) {
    if (limit <= 0 || free == 0) return {};
    std::uint64_t starts = free;  // of runs of `n`
    int n = 1;
    for (; n < limit; ++n) {
      const std::uint64_t longer = starts & free >> n;
      if (longer == 0) break;
      starts = longer;
    }
    const std::uint64_t run = (std::uint64_t{1} << n) - 1;
    return {run << std::countr_zero(starts), n};
  }

  const std::span<std::byte> area_;
  const std::size_t block_bytes_;
  const int blocks_;
  std::uint64_t free_;
  int free_blocks_;
  int next_ = 0;  // after the last run taken
  int held_[kLanes] = {};
};

/// The areas of one edge: `small` in the edge itself, where every lane can always get a block, and
/// `large`, which may be used up or absent. And how far away their reader is.
struct Staging {
  StagingPool small;
  StagingPool large;
  Distance reader{};
};

}  // namespace tutti

// Where the chunks of a plan's refs lie in buffers of a given count, cut into T tiles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "collectives/plan.h"

namespace tutti {

/// Elements [begin, begin + count) of a buffer.
struct Range {
  std::size_t begin = 0, count = 0;
};

class Geometry {
 public:
  Geometry() = default;
  /// `count`: elements of a block. trips · C must stay below 2³² for every grid.
  Geometry(const Plan& plan, std::size_t count, std::uint32_t trips);

  std::uint32_t trips() const { return trips_; }

  /// Elements of one scratch slot: the longest tile.
  std::size_t slot_count() const { return slot_count_; }

  /// Where slot s begins in the scratch memory: at s times this many elements.
  std::size_t slot_stride() const { return slot_stride_; }

  /// Elements of the whole ref.
  std::size_t count_of(const Ref& ref, const LoopVars& v) const {
    const std::optional<Range> one = one_range(ref, v);
    return one ? one->count : sum(ref, v);
  }

  /// Calls visit(Range) for the contiguous parts of a ref, in message order, empty ones left out.
  /// In scratch, offsets count from the begin of the scratch memory, slot after slot.
  template <typename Visit>
  void for_each_range(const Ref& ref, const LoopVars& v, Visit visit) const {
    const std::uint32_t chunks = grids_[ref.grid].chunks;
    const std::uint32_t first = evaluate(ref.first, v, chunks);
    for (std::uint32_t done = 0; done < ref.total; done += ref.run) {
      const std::uint64_t offset = std::uint64_t{done / ref.run} * ref.stride;
      auto k = static_cast<std::uint32_t>((first + offset) % chunks);
      std::uint32_t left = ref.run < ref.total - done ? ref.run : ref.total - done;
      while (left > 0) {  // a run may wrap around the end of the grid
        const std::uint32_t here = left < chunks - k ? left : chunks - k;
        emit(ref, v, k, here, visit);
        left -= here;
        k = 0;
      }
    }
  }

  /// The ref as one range, perhaps an empty one, if its chunks are neighbours.
  std::optional<Range> one_range(const Ref& ref, const LoopVars& v) const {
    const Part& p = grids_[ref.grid];
    if (ref.run != ref.total || (ref.total != 1 && !neighbours(ref))) return {};
    const std::uint32_t first = evaluate(ref.first, v, p.chunks);
    if (first + ref.total > p.chunks) return {};
    return range(ref, v, first, ref.run);
  }

 private:
  // One grid: boundary x of its cells lies at x·quotient + ⌊x·rest / cells⌋.
  struct Part {
    std::uint32_t chunks = 1;
    Nesting nesting = Nesting::kTileMajor;
    std::uint64_t cells = 1;  // of a block: C·T, or T where a block is a chunk
    std::size_t quotient = 0;
    std::uint64_t rest = 0;

    std::size_t boundary(std::uint64_t x) const {
      return x * quotient + (rest == 0 ? 0 : x * rest / cells);
    }
  };

  /// Whether the chunks of a ref that follow each other do so in memory.
  bool neighbours(const Ref& ref) const {
    if (grids_[ref.grid].nesting == Nesting::kTileMajor) return true;
    return trips_ == 1 && ref.buffer != Buffer::kScratch;
  }

  /// Chunks k … k+run-1, which are neighbours or one.
  Range range(const Ref& ref, const LoopVars& v, std::uint32_t k, std::uint32_t run) const {
    const Part& p = grids_[ref.grid];
    const bool scratch = ref.buffer == Buffer::kScratch;
    if (p.nesting == Nesting::kChunkMajor) {
      const std::size_t tile = p.boundary(v.t), count = p.boundary(v.t + std::uint64_t{1}) - tile;
      if (!scratch) return {k * count_ + tile, run * count};
      const std::uint32_t slot = evaluate(ref.slot + Expr(static_cast<int>(k)), v, scratch_slots_);
      return {slot * slot_stride_, count};
    }
    const std::uint64_t tile = std::uint64_t{v.t} * p.chunks;
    const std::size_t begin = p.boundary(tile + k);
    const std::size_t count = p.boundary(tile + k + run) - begin;
    if (!scratch) return {begin, count};
    return {evaluate(ref.slot, v, scratch_slots_) * slot_stride_ + (begin - p.boundary(tile)),
            count};
  }

  template <typename Visit>
  void emit(const Ref& ref, const LoopVars& v, std::uint32_t k, std::uint32_t run,
            Visit& visit) const {
    const std::uint32_t step = neighbours(ref) ? run : 1;
    for (std::uint32_t done = 0; done < run; done += step) {
      const Range r = range(ref, v, k + done, step);
      if (r.count > 0) visit(r);
    }
  }

  std::size_t sum(const Ref& ref, const LoopVars& v) const;

  std::size_t count_ = 0;
  std::uint32_t trips_ = 1;
  std::uint32_t scratch_slots_ = 1;
  std::size_t slot_count_ = 0;
  std::size_t slot_stride_ = 0;  // slot_count_, rounded up so that slots begin on their own lines
  std::vector<Part> grids_;
};

/// Tiles are cut to this many bytes of all their blocks, so that what one rank has just written is
/// still in cache when its peers pull it. docs/decisions/0002-tiles.md has the measurements.
inline constexpr std::size_t kTileBytes = std::size_t{1} << 20;

/// How many tiles a call is cut into: enough that the plan's scratch fits into `scratch_bytes`, and
/// that a tile stays within `tile_bytes` (0: no wish). Depends only on what all ranks know.
std::uint32_t trips_for(const Plan& plan, std::size_t count, std::size_t element_bytes,
                        std::size_t scratch_bytes, std::size_t tile_bytes);

}  // namespace tutti

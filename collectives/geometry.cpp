#include "collectives/geometry.h"

#include <algorithm>

namespace tutti {
namespace {

// A slot of any dtype begins on a cache line of its own if its stride is a multiple of this many
// elements.
constexpr std::size_t kSlotAlign = 64;

std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::size_t divide_up(std::size_t value, std::size_t divisor) {
  return value / divisor + (value % divisor != 0);
}

}  // namespace

Geometry::Geometry(const Plan& plan, std::size_t count, std::uint32_t trips)
    : count_(count),
      trips_(trips),
      scratch_slots_(std::max(1u, plan.scratch_slots)),
      slot_count_(divide_up(count, trips)),
      slot_stride_(round_up(slot_count_, kSlotAlign)) {
  grids_.reserve(plan.grids.size());
  for (const Grid& g : plan.grids) {
    const std::uint64_t chunks = g.nesting == Nesting::kTileMajor ? g.chunks : 1;
    const std::uint64_t cells = chunks * trips;
    grids_.push_back({g.chunks, g.nesting, cells, count / cells, count % cells});
  }
}

std::size_t Geometry::sum(const Ref& ref, const LoopVars& v) const {
  std::size_t total = 0;
  for_each_range(ref, v, [&](Range r) { total += r.count; });
  return total;
}

std::uint32_t trips_for(const Plan& plan, std::size_t count, std::size_t element_bytes,
                        std::size_t scratch_bytes, std::size_t tile_bytes) {
  std::size_t tile_count = count;
  const std::size_t of_a_block = tile_bytes / plan.tile_blocks / element_bytes;
  if (tile_bytes > 0) tile_count = std::min(tile_count, std::max(of_a_block, kSlotAlign));
  if (plan.scratch_slots > 0) {
    const std::size_t slot = scratch_bytes / plan.scratch_slots / element_bytes;
    tile_count = std::min(tile_count, std::max(slot / kSlotAlign * kSlotAlign, kSlotAlign));
  }
  const std::size_t trips = tile_count == 0 ? 1 : divide_up(count, tile_count);
  std::uint32_t chunks = 1;
  for (const Grid& g : plan.grids) {
    if (g.nesting == Nesting::kTileMajor) chunks = std::max(chunks, g.chunks);
  }
  return static_cast<std::uint32_t>(std::clamp(trips, 1ul, std::size_t{UINT32_MAX} / chunks));
}

}  // namespace tutti

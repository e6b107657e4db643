#include "collectives/call_blocks.h"

#include <algorithm>
#include <bit>

namespace tutti {

const Blocks* CallBlocks::bind(const Launch& launch, std::size_t scratch_bytes) {
  const Collective collective = launch.key.collective;
  // The vector, whose lengths all ranks know; scratch holds blocks of it.
  const Lists& all = traits_of(collective).input == Extent::kVector ? input : output;
  std::uint32_t trips = 1;
  std::size_t longest = 0;
  if (traits_of(collective).lengths == Lengths::kKnown) {
    longest = *std::ranges::max_element(all.lengths);
    trips = trips_for(launch.plan, longest, launch.element_bytes, scratch_bytes, kTileBytes);
  }
  blocks_ = {.input = {input.lengths.data(), input.offsets.data()},
             .output = {output.lengths.data(), output.offsets.data()},
             .scratch = {all.lengths.data(), nullptr},
             .trips = trips,
             .slot_stride = slot_stride_for(longest, trips)};
  return &blocks_;
}

std::size_t typical_length(Collective collective, const std::vector<std::size_t>& lengths) {
  constexpr std::size_t kMedium = 1024;
  if (traits_of(collective).lengths != Lengths::kKnown) return kMedium;
  std::size_t sum = 0;
  for (const std::size_t length : lengths) sum += length;
  return std::bit_ceil(sum / lengths.size());
}

}  // namespace tutti

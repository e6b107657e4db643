#include "collectives/verify/lengths.h"

#include <algorithm>

namespace tutti::proof {

std::size_t length_of(const Claim& claim, std::size_t size, Buffer buffer, std::uint32_t rank,
                      std::uint32_t block) {
  if (claim.lengths.empty()) return claim.count;
  const bool input = buffer == Buffer::kInput;
  if (claim.lengths.size() > size)  // of each pair
    return claim.lengths[input ? rank * size + block : block * size + rank];
  const CollectiveTraits& traits = traits_of(claim.collective);
  const Extent extent = input ? traits.input : traits.output;
  return claim.lengths[extent == Extent::kBlock ? rank : block];
}

LengthTables::LengthTables(const Plan& plan, const Claim& claim) {
  const std::uint32_t most =
      std::max({plan.input_blocks, plan.output_blocks, plan.scratch_slots, plan.size});
  for (std::uint32_t k = 0; k < most; ++k) {
    const auto of = [&](Buffer buffer, std::uint32_t blocks) {
      return k < blocks ? length_of(claim, plan.size, buffer, plan.rank, k) : 0;
    };
    input_.push_back(of(Buffer::kInput, plan.input_blocks));
    output_.push_back(of(Buffer::kOutput, plan.output_blocks));
    offsets_.push_back(k * claim.count);
    scratch_.push_back(k < claim.lengths.size() ? claim.lengths[k] : 0);
  }
  blocks_ = {.input = {input_.data(), offsets_.data()},
             .output = {output_.data(), offsets_.data()},
             .scratch = {scratch_.data(), nullptr},
             .trips = claim.trips,
             .slot_stride = slot_stride_for(claim.count, claim.trips)};
}

}  // namespace tutti::proof

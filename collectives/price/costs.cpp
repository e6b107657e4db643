#include "collectives/price/costs.h"

#include <algorithm>
#include <cmath>

namespace tutti {

Residence residence(double rank_bytes, int ranks, const Coefficients& coefficients) {
  const auto share = [](double bytes, double cache) {
    return std::clamp(2.0 - bytes / cache, 0.0, 1.0);
  };
  const double l2 = share(rank_bytes, coefficients.l2_bytes);
  const double cached = std::max(l2, share(rank_bytes * ranks, coefficients.l3_bytes));
  return {l2, cached - l2, 1 - cached};
}

StepCosts::StepCosts(const Load& load, std::span<const Plan> plans, std::uint32_t tiles,
                     const Conditions& conditions, const Coefficients& coefficients)
    : conditions_(conditions),
      coefficients_(coefficients),
      combine_s_per_byte_(coefficients.combine_s_per_byte[static_cast<std::size_t>(load.dtype)]),
      ranks_(static_cast<int>(plans.size())) {
  const double bytes = static_cast<double>(load.count) * static_cast<double>(size_of(load.dtype));
  const double tile = bytes / tiles;
  std::uint32_t blocks = 0;  // of input and output, all ranks together
  for (const Plan& plan : plans) blocks += plan.input_blocks + plan.output_blocks;
  const double of_a_rank = static_cast<double>(blocks) / ranks_;
  call_ = residence(of_a_rank * bytes, ranks_, coefficients);
  tile_ = residence((of_a_rank + plans[0].scratch_slots) * tile, ranks_, coefficients);
}

Access StepCosts::access(Buffer from, std::size_t bytes) const {
  if (bytes <= conditions_.caps.inline_bytes) return Access::kInline;
  if (from == Buffer::kScratch) return Access::kMapped;  // it is shared memory
  if (conditions_.registered) return Access::kMapped;
  if (bytes > conditions_.caps.staged_bytes) return Access::kCrossMemory;
  const bool streamed = coefficients_.far && bytes >= conditions_.caps.streamed_bytes;
  return streamed ? Access::kStreamed : Access::kStaged;
}

Cost StepCosts::bytes_cost(const PerByte& cost, const Residence& where, double bytes) const {
  return {bytes * (where.l2 * cost.l2 + where.l3 * cost.l3 + where.dram * cost.dram),
          bytes * where.dram};
}

Cost StepCosts::post(Buffer from, std::size_t bytes, bool again) const {
  const auto n = static_cast<double>(bytes);
  Cost cost{coefficients_.post_s, 0};
  const Access how = access(from, bytes);
  if (how == Access::kInline) return cost;
  if (how == Access::kStaged) {
    cost += bytes_cost(coefficients_.stage, tile_, n);
  } else if (how == Access::kStreamed) {
    cost += bytes_cost(coefficients_.stream, where(from), n);
  } else if (from != Buffer::kInput && !again) {
    cost.seconds += bytes_cost(coefficients_.reclaim, where(from), n).seconds;
  }
  return cost;
}

// A peer's input is as far away as the working set of the call says; what it has just written, in
// its output or scratch, as the bytes that it has touched since. Slots are always near, but for
// what was stored past the cache: that comes from memory, and post() has counted it on the bus.
Cost StepCosts::pull(Buffer from, std::size_t bytes, std::size_t since, bool lands) const {
  const auto n = static_cast<double>(bytes);
  const Residence place =
      from == Buffer::kInput ? call_
                             : residence(2 * n + static_cast<double>(since), ranks_, coefficients_);
  Cost cost{coefficients_.pull_s, 0};
  const Access how = access(from, bytes);
  if (how != Access::kInline) cost.seconds += coefficients_.view_s;
  switch (how) {
    case Access::kInline:
      break;
    case Access::kStaged:
      cost += bytes_cost(coefficients_.peer_read, {}, n);
      break;
    case Access::kStreamed:
      cost.seconds += bytes_cost(coefficients_.peer_read, {.l2 = 0, .dram = 1}, n).seconds;
      break;
    case Access::kMapped:
      cost += bytes_cost(coefficients_.peer_read, place, n);
      break;
    case Access::kCrossMemory: {
      const double calls = std::ceil(n / static_cast<double>(conditions_.caps.view_bytes));
      cost.seconds += calls * coefficients_.cross_call_s;
      cost += bytes_cost(coefficients_.cross_read, place, n);
      if (lands) cost += bytes_cost(coefficients_.read, {}, n);
      break;
    }
  }
  return cost;
}

Cost StepCosts::combine(Buffer from, std::size_t local, std::size_t operands, Buffer to,
                        std::size_t bytes) const {
  const auto n = static_cast<double>(bytes);
  Cost cost = bytes_cost(coefficients_.read, where(from), n * static_cast<double>(local));
  cost += bytes_cost(coefficients_.write, where(to), n);
  if (operands > 1) {
    cost.seconds = std::max(cost.seconds, combine_s_per_byte_ * n * static_cast<double>(operands));
  }
  cost.seconds += coefficients_.reduce_s;
  return cost;
}

}  // namespace tutti

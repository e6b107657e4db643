// Plans in virtual time: a greedy execution on a machine of so many cores, which is enough because
// a plan never branches on data.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "collectives/plan.h"
#include "collectives/price/costs.h"

namespace tutti::predict {

/// When back-to-back calls end, and what they moved.
struct WalkResult {
  std::vector<double> ends_s;  // by call: when the last rank left it
  double dram_bytes = 0;       // of all calls
  bool finished = false;       // false: the plans wait for each other for ever
};

struct WalkTask {
  std::span<const Plan> plans;  // by rank
  std::size_t count = 0;        // elements in the tiles that are walked
  std::size_t element_bytes = 1;
  std::uint32_t trips = 1;  // tiles that are walked
  int calls = 1;
};

/// Neighbouring ranks share a core where there are not enough. A core runs a rank until it blocks,
/// then another one, at the price of a switch; the lanes of a rank share its core.
WalkResult walk(const WalkTask& task, const StepCosts& costs, const Conditions& conditions,
                const Coefficients& coefficients);

}  // namespace tutti::predict

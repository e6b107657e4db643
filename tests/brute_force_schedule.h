// One schedule of the brute-force interpreter: in which order lanes move, and when bytes are read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tests/brute_force.h"
#include "tests/brute_force_expressions.h"
#include "tests/unroll.h"

namespace tutti::test {

using Program = std::vector<std::vector<std::vector<Action>>>;  // by rank, then lane

/// The outputs of all ranks, one after the other, when `program` is run in the order that `seed`
/// gives. Throws Wrong.
std::vector<std::vector<Value>> run_schedule(std::span<const Plan> plans, const BruteForceCase& c,
                                             const Program& program, Expressions& expressions,
                                             std::uint64_t seed);

}  // namespace tutti::test

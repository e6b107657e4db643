// The judge of the verifier: an interpreter of plans that shares no code with it. It unrolls every
// loop, moves expressions instead of numbers through real memory, and tries many schedules: which
// lane moves next is random, and a message's bytes are read when it is posted, when it is received,
// or as late as the sender's drain.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "collectives/plan.h"

namespace tutti::test {

struct BruteForceCase {
  Collective collective = Collective::kAllReduce;
  int root = 0;
  std::size_t count = 0;
  std::uint32_t trips = 1;
  bool pre_scaled = false;
  int schedules = 200;
  std::uint64_t seed = 1;
};

/// What goes wrong in some schedule (deadlock, a wrong result, other bits on another rank); empty
/// if nothing does.
std::string brute_force(std::span<const Plan> plans, const BruteForceCase& c);

}  // namespace tutti::test

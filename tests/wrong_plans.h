// Plans as people write them, with the mistakes that people make.
#pragma once

#include <string>
#include <vector>

#include "collectives/verify.h"

namespace tutti::test {

struct WrongPlan {
  std::string name;
  std::vector<Plan> plans;
  Claim claim;
  std::string verdict;  // a part of what the verifier must say
  // Whether it shows in some schedule, so that the brute-force interpreter finds it too. Others
  // break a rule that keeps proofs local, or that only a real machine needs.
  bool shows = true;
};

std::vector<WrongPlan> wrong_plans();

}  // namespace tutti::test

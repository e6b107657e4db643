#include "tests/brute_force.h"

#include <algorithm>
#include <random>
#include <vector>

#include "tests/brute_force_expressions.h"
#include "tests/brute_force_schedule.h"
#include "tests/unroll.h"

namespace tutti::test {
namespace {

// What the result should be.
class Judge {
 public:
  Judge(std::span<const Plan> plans, const BruteForceCase& c, Expressions& expressions)
      : plans_(plans), case_(c), expressions_(expressions) {}

  void check(const std::vector<std::vector<Value>>& outputs) {
    for (std::size_t r = 0; r < outputs.size(); ++r) {
      for (std::size_t e = 0; e < outputs[r].size(); ++e) check_element(r, e, outputs[r][e]);
      if (case_.collective == Collective::kAllReduce)
        expect_right(outputs[r] == outputs[0], "bits differ between ranks");
    }
    if (first_.empty()) first_ = outputs;
    expect_right(outputs == first_, "bits differ between schedules");
  }

 private:
  void check_element(std::size_t r, std::size_t e, Value v) {
    const auto rank = static_cast<int>(r), count = static_cast<int>(case_.count);
    const auto element = static_cast<int>(e);
    const int block = element / count, within = element % count;
    switch (case_.collective) {
      case Collective::kAllReduce:
      case Collective::kReduce:
        return check_sum(v, element);
      case Collective::kReduceScatter:
        return check_sum(v, rank * count + element);
      case Collective::kBroadcast:
        return check_moved(v, case_.root, element);
      case Collective::kAllGather:
      case Collective::kGather:
        return check_moved(v, block, within);
      case Collective::kScatter:
        return check_moved(v, case_.root, rank * count + element);
      case Collective::kAllToAll:
        return check_moved(v, block, rank * count + within);
      case Collective::kScan:
        return check_prefix(v, element, rank);
      case Collective::kExclusiveScan:
        if (rank > 0) check_prefix(v, element, rank - 1);
        return;
      case Collective::kBarrier:
        return;
    }
  }

  // A scan's: of ranks 0 … last, in this order, and not finished.
  void check_prefix(Value v, int element, int last) {
    std::vector<int> ranks, wanted;
    collect(v, element, ranks);
    for (int r = 0; r <= last; ++r) wanted.push_back(r);
    expect_right(ranks == wanted, "not the inputs up to this rank's, in order");
  }

  void check_moved(Value v, int rank, int element) {
    expect_right(expressions_.content(v) == std::vector<int>{kInput, rank, element},
                 "not the element that belongs there");
  }

  void check_sum(Value v, int element) {
    const std::vector<int>& root = expressions_.content(v);
    expect_right(root[0] == kFinished, "not finished");
    std::vector<int> ranks;
    collect(root[1], element, ranks);
    std::vector<int> sorted = ranks;
    std::ranges::sort(sorted);
    std::vector<int> all;
    for (int r = 0; r < static_cast<int>(plans_.size()); ++r) all.push_back(r);
    expect_right(sorted == all, "not every input exactly once");
    const bool claims_order = std::ranges::any_of(plans_, [](const Plan& p) { return p.in_order; });
    expect_right(ranks == all || !claims_order, "not in rank order");
  }

  // The ranks of the leaves, from left to right.
  void collect(Value v, int element, std::vector<int>& ranks) {
    std::vector<int> content = expressions_.content(v);
    expect_right(content[0] != kGarbage, "garbage in the result");
    expect_right(content[0] != kFinished, "finished twice");
    if (content[0] == kFold) {
      for (std::size_t k = 1; k < content.size(); ++k) collect(content[k], element, ranks);
      return;
    }
    expect_right((content[0] == kScaled) == case_.pre_scaled, "scaled never or needlessly");
    const int scaler = content[1];
    if (content[0] == kScaled) content = expressions_.content(content[2]);
    expect_right(content[0] == kInput && content[2] == element, "another element");
    expect_right(content[1] == scaler, "scaled by another rank");
    ranks.push_back(content[1]);
  }

  const std::span<const Plan> plans_;
  const BruteForceCase& case_;
  Expressions& expressions_;
  std::vector<std::vector<Value>> first_;
};

}  // namespace

std::string brute_force(std::span<const Plan> plans, const BruteForceCase& c) {
  try {
    Program program;
    for (const Plan& p : plans) {
      Unroller unroller(p, c.count, c.trips);
      program.emplace_back();
      for (std::size_t l = 0; l + 1 < p.lane_begin.size(); ++l)
        program.back().push_back(unroller.lane(l));
    }
    std::mt19937_64 seeds(c.seed);
    Expressions expressions;
    Judge judge(plans, c, expressions);
    for (int k = 0; k < c.schedules; ++k)
      judge.check(run_schedule(plans, c, program, expressions, seeds()));
    return "";
  } catch (const Wrong& wrong) {
    return wrong.what();
  }
}

}  // namespace tutti::test

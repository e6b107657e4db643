#include "perf/budget.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "perf/board.h"

namespace tutti {
namespace {

constexpr int kRounds = 5;             // enough for a median that one disturbed turn cannot move
constexpr int kMostSamples = 200;      // enough for a 99th percentile
constexpr double kTurnS = 0.002;       // a longer turn adds no precision to its mean
constexpr double kMeetS = 2e-6;        // around each call that is timed alone
constexpr double kLeastShareS = 5e-4;  // however tight the budget: single short calls tell nothing

int whole(double number, int most) {
  return static_cast<int>(std::clamp(std::floor(number), 1.0, static_cast<double>(most)));
}

}  // namespace

double group_weight(std::size_t bytes) {
  constexpr double kBytesPerUnit = 4 << 20;
  return 1 + static_cast<double>(bytes) / kBytesPerUnit;
}

Budget::Budget(double seconds, std::vector<double> weights)
    : seconds_(seconds), weights_(std::move(weights)) {}

double Budget::next_share(double elapsed_s) {
  if (next_ == weights_.size()) return 0;
  const auto first = weights_.begin() + static_cast<std::ptrdiff_t>(next_);
  const double open = std::accumulate(first, weights_.end(), 0.0);
  ++next_;
  return std::max(0.0, seconds_ - elapsed_s) * *first / open;
}

CellPlan plan_cell(double call_s, double share_s, int fixed_calls) {
  constexpr int kMostCalls = 100'000;
  CellPlan plan;
  share_s = std::max(share_s, kLeastShareS);
  const double calls_that_fit = share_s / call_s;
  // Where a turn is a single call, each is timed alone anyway: one set of turns serves both.
  if (fixed_calls == 0 && calls_that_fit < 2 * kRounds) {
    plan.rounds = whole(calls_that_fit, kRounds);
    plan.reduced = plan.rounds < kRounds;
    return plan;
  }
  const double turns_s = share_s / 2;
  plan.calls = fixed_calls != 0 ? fixed_calls
                                : whole(std::min(turns_s / kRounds, kTurnS) / call_s, kMostCalls);
  plan.rounds = whole(turns_s / (plan.calls * call_s), kRounds);
  if (fixed_calls == 1) return plan;
  plan.samples = whole(share_s / 2 / (call_s + kMeetS), kMostSamples);
  plan.samples = std::min<int>(plan.samples, static_cast<int>(kBoardSamples));
  plan.reduced = plan.rounds < kRounds;
  return plan;
}

}  // namespace tutti

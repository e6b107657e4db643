#include "collectives/price/walk.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "collectives/price/ranks.h"

namespace tutti::predict {
namespace {

struct Core {
  double clock_s = 0;
  std::uint32_t current = kNone;  // the rank that runs
  bool parked = false;            // nothing is known that could run
};

class Walk {
 public:
  Walk(const WalkTask& task, const StepCosts& costs, const Conditions& conditions,
       const Coefficients& coefficients);
  WalkResult run();

 private:
  void run_core(std::uint32_t core);
  Next next_on_core(std::uint32_t core);
  void execute(const Next& next);
  void wake(std::uint32_t rank, double at_s);
  std::uint32_t core_of(std::uint32_t rank) const { return rank * cores_count_ / size_; }

  // Fixed after construction.
  const Coefficients& coefficients_;
  const std::uint32_t size_;
  const std::uint32_t cores_count_;
  double lookahead_s_;  // a core may run so far ahead of the others
  const std::function<void(std::uint32_t, double)> wake_;

  // The state.
  Ranks ranks_;
  std::vector<Core> cores_;
  std::priority_queue<std::pair<double, std::uint32_t>,
                      std::vector<std::pair<double, std::uint32_t>>,
                      std::greater<>>
      ready_;  // cores, by clock; may hold outdated entries
  WalkResult result_;
};

Walk::Walk(const WalkTask& task, const StepCosts& costs, const Conditions& conditions,
           const Coefficients& coefficients)
    : coefficients_(coefficients),
      size_(static_cast<std::uint32_t>(task.plans.size())),
      cores_count_(std::min(size_, static_cast<std::uint32_t>(std::max(1, conditions.caps.cpus)))),
      lookahead_s_(coefficients.line_s),
      wake_([this](std::uint32_t rank, double at_s) { wake(rank, at_s); }),
      ranks_(task, costs, conditions, coefficients),
      cores_(cores_count_) {
  // With one lane per core nothing depends on the order in which cores are walked.
  const bool one_lane =
      std::ranges::all_of(task.plans, [](const Plan& plan) { return plan.lanes() == 1; });
  if (one_lane && cores_count_ == size_) lookahead_s_ = kUnknown;
  result_.ends_s.assign(static_cast<std::size_t>(task.calls), 0.0);
}

WalkResult Walk::run() {
  for (std::uint32_t c = 0; c < cores_count_; ++c) ready_.emplace(0.0, c);
  while (!ready_.empty()) {
    const std::uint32_t core = ready_.top().second;
    ready_.pop();
    run_core(core);
  }
  result_.finished = ranks_.finished();
  return std::move(result_);
}

void Walk::run_core(std::uint32_t core_number) {
  Core& core = cores_[core_number];
  core.parked = false;
  for (;;) {
    const Next next = next_on_core(core_number);
    if (next.rank == kNone) {
      core.parked = true;
      return;
    }
    const double start_s = std::max(core.clock_s, next.start_s);
    if (!ready_.empty() && start_s > ready_.top().first + lookahead_s_) {
      ready_.emplace(start_s, core_number);
      return;
    }
    core.clock_s = start_s;
    if (core.current != next.rank) {
      if (core.current != kNone) core.clock_s += coefficients_.switch_s;
      core.current = next.rank;
    }
    execute(next);
  }
}

/// The rank that runs goes on while it can; else the next one in turn that can; else the first that
/// will be able to.
Next Walk::next_on_core(std::uint32_t core_number) {
  const Core& core = cores_[core_number];
  const std::uint32_t lowest = (core_number * size_ + cores_count_ - 1) / cores_count_;
  const std::uint32_t end = ((core_number + 1) * size_ + cores_count_ - 1) / cores_count_;
  const std::uint32_t first = core.current == kNone ? lowest : core.current;
  Next best;
  std::uint32_t rank = first;
  do {
    const Next next = ranks_.next_of(rank, core.clock_s);
    if (next.rank != kNone && next.start_s <= core.clock_s) return next;
    if (next.start_s < best.start_s) best = next;
    rank = rank + 1 < end ? rank + 1 : lowest;
  } while (rank != first);
  return best;
}

void Walk::execute(const Next& next) {
  Core& core = cores_[core_of(next.rank)];
  if (next.lane == kNone) {
    core.clock_s += coefficients_.call_s;
    double& end_s = result_.ends_s[ranks_.leave_call(next.rank)];
    end_s = std::max(end_s, core.clock_s);
    return;
  }
  const Cost cost = ranks_.execute(next);
  core.clock_s += coefficients_.step_s + cost.seconds;
  result_.dram_bytes += cost.dram_bytes;
  ranks_.finish(next, core.clock_s, wake_);
}

void Walk::wake(std::uint32_t rank, double at_s) {
  const std::uint32_t number = core_of(rank);
  Core& core = cores_[number];
  if (!core.parked) return;
  core.parked = false;
  ready_.emplace(std::max(core.clock_s, at_s), number);
}

}  // namespace

WalkResult walk(const WalkTask& task, const StepCosts& costs, const Conditions& conditions,
                const Coefficients& coefficients) {
  return Walk(task, costs, conditions, coefficients).run();
}

}  // namespace tutti::predict

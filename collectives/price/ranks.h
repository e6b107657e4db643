// What each rank could do next in virtual time, and what it costs: the plans, step by step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "collectives/geometry.h"
#include "collectives/plan.h"
#include "collectives/price/costs.h"
#include "collectives/price/messages.h"
#include "collectives/price/walk.h"

namespace tutti::predict {

/// Something that a rank could do next: a step of a lane, or (lane = kNone) leaving the call.
struct Next {
  double start_s = kUnknown;
  std::uint32_t rank = kNone, lane = kNone;
};

/// The ranks of a walk, each in its call. No cores here: the walk says when a step begins and ends.
class Ranks {
 public:
  Ranks(const WalkTask& task, const StepCosts& costs, const Conditions& conditions,
        const Coefficients& coefficients);

  /// The rank's first step that could start at `clock_s`, else the one that could start earliest;
  /// rank = kNone if none is known.
  Next next_of(std::uint32_t rank, double clock_s);

  /// Does what the step at the lane's cursor does to its own rank, and says what it costs.
  Cost execute(const Next& next);
  /// Shows the others that this step ended at `end_s`, goes on to the next one, and calls
  /// wake(rank, when it can see it) for those who may have waited for it.
  void finish(const Next& next, double end_s,
              const std::function<void(std::uint32_t, double)>& wake);

  /// Leaves the call, for the next one if there is one, and says which it was, from 0.
  std::size_t leave_call(std::uint32_t rank);
  /// Whether all calls of all ranks ended.
  bool finished() const;

 private:
  struct Lane {
    LaneCursor cursor;
    std::uint32_t tokens[kMaxLanes] = {};  // by the lane that gave them
    // Of the step at the cursor: how many of its messages are there, and since when.
    std::uint32_t operand = 0, member = 0;
    double since_s = 0;
    Range last_sent;
    Buffer last_sent_from = Buffer::kInput;
  };

  struct RankState {
    std::vector<Lane> lanes;
    int calls_left = 0;
    std::size_t touched = 0;  // bytes read and written: they push older ones out of its caches
  };

  void begin_call(std::uint32_t rank);
  double start_of(std::uint32_t rank, std::uint32_t lane);
  double start_of_reduce(std::uint32_t rank, std::uint32_t lane, const Step& step);
  Cost cost_of(const Next& next);
  Cost send(std::uint32_t rank, std::uint32_t lane, const Step& step);
  Cost scale(std::uint32_t rank, std::uint32_t lane, const Step& step) const;
  Cost reduce(std::uint32_t rank, std::uint32_t lane, const Step& step);

  // Fixed after construction.
  const WalkTask& task_;
  const StepCosts& costs_;
  const Conditions& conditions_;
  const Coefficients& coefficients_;
  std::vector<Geometry> geometries_;  // by rank

  // The state.
  std::vector<RankState> ranks_;
  Messages messages_;
};

}  // namespace tutti::predict

#include "collectives/price/ranks.h"

#include <algorithm>
#include <utility>

namespace tutti::predict {

Ranks::Ranks(const WalkTask& task, const StepCosts& costs, const Conditions& conditions,
             const Coefficients& coefficients)
    : task_(task),
      costs_(costs),
      conditions_(conditions),
      coefficients_(coefficients),
      ranks_(task.plans.size()),
      messages_(static_cast<std::uint32_t>(task.plans.size()), conditions.caps.window) {
  geometries_.reserve(ranks_.size());
  for (std::uint32_t r = 0; r < ranks_.size(); ++r) {
    geometries_.emplace_back(task.plans[r], task.count, task.trips);
    ranks_[r].lanes.resize(static_cast<std::size_t>(task.plans[r].lanes()));
    ranks_[r].calls_left = task.calls;
    begin_call(r);
  }
}

void Ranks::begin_call(std::uint32_t rank) {
  for (std::uint32_t l = 0; l < ranks_[rank].lanes.size(); ++l) {
    Lane& lane = ranks_[rank].lanes[l];
    lane = Lane{};
    lane.cursor = LaneCursor(task_.plans[rank], static_cast<int>(l), task_.trips);
  }
}

std::size_t Ranks::leave_call(std::uint32_t rank) {
  RankState& state = ranks_[rank];
  const auto call = static_cast<std::size_t>(task_.calls - state.calls_left);
  if (--state.calls_left > 0) begin_call(rank);
  return call;
}

bool Ranks::finished() const {
  return std::ranges::all_of(ranks_, [](const RankState& r) { return r.calls_left == 0; });
}

// ---- When ---------------------------------------------------------------------------------------

Next Ranks::next_of(std::uint32_t rank, double clock_s) {
  RankState& state = ranks_[rank];
  if (state.calls_left == 0) return {};
  Next best;
  bool complete = true;
  for (std::uint32_t l = 0; l < state.lanes.size(); ++l) {
    if (state.lanes[l].cursor.step() == nullptr) continue;
    complete = false;
    const double start_s = start_of(rank, l);
    if (start_s < best.start_s) best = {start_s, rank, l};
    if (start_s <= clock_s) break;  // the executor, too, tries its lanes in order
  }
  if (!complete) return best;
  const double start_s = messages_.when_all_read(rank);  // a call ends no earlier
  return start_s == kUnknown ? Next{} : Next{start_s, rank, kNone};
}

double Ranks::start_of(std::uint32_t rank, std::uint32_t lane_number) {
  Lane& lane = ranks_[rank].lanes[lane_number];
  const Step& step = *lane.cursor.step();
  const LoopVars& vars = lane.cursor.vars();
  switch (step.op) {
    case Step::Op::kSend:
      return messages_.when_read({rank, task_.plans[rank].rank_of(step.peer, vars), lane_number},
                                 conditions_.caps.window - 1);
    case Step::Op::kReduce:
      return start_of_reduce(rank, lane_number, step);
    case Step::Op::kDrain:
      return messages_.when_read({rank, task_.plans[rank].rank_of(step.peer, vars), step.lane},
                                 step.lag);
    case Step::Op::kWait:
      return lane.tokens[step.lane] > 0 ? 0 : kUnknown;
    case Step::Op::kScale:
    case Step::Op::kSignal:
    case Step::Op::kLoop:
    case Step::Op::kTiles:
    case Step::Op::kEnd:
      break;
  }
  return 0;
}

/// Since when all messages of a reduction are there. Goes on where it stopped the last time.
double Ranks::start_of_reduce(std::uint32_t rank, std::uint32_t lane_number, const Step& step) {
  Lane& lane = ranks_[rank].lanes[lane_number];
  const Plan& plan = task_.plans[rank];
  const auto operands = plan.operands_of(step);
  for (; lane.operand < operands.size(); ++lane.operand, lane.member = 0) {
    const Operand& operand = operands[lane.operand];
    if (!operand.is_message()) continue;
    for (; lane.member < operand.count; ++lane.member) {
      const std::uint32_t peer = plan.rank_of(operand.peer, lane.cursor.vars(), lane.member);
      if (peer == rank) continue;
      const Message* message = messages_.unread({peer, rank, lane_number});
      if (message == nullptr) return kUnknown;
      lane.since_s = std::max(lane.since_s, message->there_s);
    }
  }
  return lane.since_s;
}

// ---- What it costs ------------------------------------------------------------------------------

Cost Ranks::execute(const Next& next) {
  const LaneCursor& at = ranks_[next.rank].lanes[next.lane].cursor;
  const Plan& plan = task_.plans[next.rank];
  Cost cost = cost_of(next);
  if (at.index() + 1 < plan.steps.size() && plan.steps[at.index() + 1].op == Step::Op::kEnd)
    cost.seconds += coefficients_.round_s;
  return cost;
}

Cost Ranks::cost_of(const Next& next) {
  Lane& lane = ranks_[next.rank].lanes[next.lane];
  const Step& step = *lane.cursor.step();
  switch (step.op) {
    case Step::Op::kSend:
      return send(next.rank, next.lane, step);
    case Step::Op::kReduce:
      return reduce(next.rank, next.lane, step);
    case Step::Op::kScale:
      return scale(next.rank, next.lane, step);
    case Step::Op::kSignal:
      ++ranks_[next.rank].lanes[step.lane].tokens[next.lane];
      break;
    case Step::Op::kWait:
      --lane.tokens[step.lane];
      break;
    case Step::Op::kDrain:
    case Step::Op::kLoop:
    case Step::Op::kTiles:
    case Step::Op::kEnd:
      break;
  }
  return {};
}

Cost Ranks::send(std::uint32_t rank, std::uint32_t lane_number, const Step& step) {
  Lane& lane = ranks_[rank].lanes[lane_number];
  const Geometry& geometry = geometries_[rank];
  const LoopVars& vars = lane.cursor.vars();
  Range sent{0, geometry.count_of(step.ref, vars)};
  geometry.for_each_range(step.ref, vars, [&, first = true](Range r) mutable {
    if (std::exchange(first, false)) sent.begin = r.begin;
  });
  const bool again = lane.last_sent_from == step.ref.buffer && sent.begin == lane.last_sent.begin &&
                     sent.count == lane.last_sent.count;
  lane.last_sent = sent;
  lane.last_sent_from = step.ref.buffer;
  return costs_.post(step.ref.buffer, sent.count * task_.element_bytes, again);
}

Cost Ranks::scale(std::uint32_t rank, std::uint32_t lane, const Step& step) const {
  const LoopVars& vars = ranks_[rank].lanes[lane].cursor.vars();
  const Operand& from = task_.plans[rank].operands_of(step)[0];
  const std::size_t bytes = geometries_[rank].count_of(step.ref, vars) * task_.element_bytes;
  return costs_.combine(from.ref.buffer, 1, 2, step.ref.buffer, bytes);
}

Cost Ranks::reduce(std::uint32_t rank, std::uint32_t lane_number, const Step& step) {
  const Lane& lane = ranks_[rank].lanes[lane_number];
  const Plan& plan = task_.plans[rank];
  const std::size_t bytes =
      geometries_[rank].count_of(step.ref, lane.cursor.vars()) * task_.element_bytes;
  const auto operands = plan.operands_of(step);
  std::size_t total = 0, local = 0;
  Buffer local_from = Buffer::kInput;
  Cost cost;
  bool written = false;
  for (const Operand& operand : operands) {
    for (std::uint32_t m = 0; m < operand.count; ++m, ++total) {
      const std::uint32_t peer =
          operand.is_message() ? plan.rank_of(operand.peer, lane.cursor.vars(), m) : rank;
      if (peer == rank) {
        ++local;
        local_from = operand.kind == Operand::Kind::kSlots ? Buffer::kScratch : operand.ref.buffer;
        continue;
      }
      const Message& message = *messages_.unread({peer, rank, lane_number});
      const bool move = operands.size() == 1 && operand.count == 1;
      const std::size_t since = ranks_[peer].touched - message.touched;
      cost += costs_.pull(message.from, message.bytes, since, !move);
      written = move && costs_.pull_writes(message.from, message.bytes);
    }
  }
  ranks_[rank].touched += bytes * (total + 1);
  if (!written) cost += costs_.combine(local_from, local, total, step.ref.buffer, bytes);
  return cost;
}

// ---- What others see of it ----------------------------------------------------------------------

void Ranks::finish(const Next& next, double end_s,
                   const std::function<void(std::uint32_t, double)>& wake) {
  Lane& lane = ranks_[next.rank].lanes[next.lane];
  const Step& step = *lane.cursor.step();
  const Plan& plan = task_.plans[next.rank];
  const LoopVars& vars = lane.cursor.vars();
  const double seen_s = end_s + coefficients_.line_s;
  if (step.op == Step::Op::kSend) {
    const std::uint32_t peer = plan.rank_of(step.peer, vars);
    messages_.post({next.rank, peer, next.lane},
                   {.there_s = seen_s,
                    .bytes = lane.last_sent.count * task_.element_bytes,
                    .touched = ranks_[next.rank].touched,
                    .from = step.ref.buffer});
    wake(peer, seen_s);
  } else if (step.op == Step::Op::kReduce) {
    for (const Operand& operand : plan.operands_of(step)) {
      if (!operand.is_message()) continue;
      for (std::uint32_t m = 0; m < operand.count; ++m) {
        const std::uint32_t peer = plan.rank_of(operand.peer, vars, m);
        if (peer == next.rank) continue;
        messages_.read({peer, next.rank, next.lane}, seen_s);
        wake(peer, seen_s);
      }
    }
  }
  lane.operand = lane.member = 0;
  lane.since_s = 0;
  lane.cursor.advance();
}

}  // namespace tutti::predict

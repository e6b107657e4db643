#include "collectives/price_walk.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <queue>
#include <utility>

namespace tutti {
namespace {

constexpr std::uint32_t kNone = 0xffffffff;
constexpr double kUnknown = std::numeric_limits<double>::infinity();

struct Message {
  double there_s = 0;  // when the receiver can see it
  double read_s = 0;   // when the sender sees that it was read
  std::size_t bytes = 0;
  std::size_t touched = 0;  // by the sender until then: see RankState
  std::uint32_t next = kNone;
  Buffer from = Buffer::kInput;
};

/// All messages from one rank to another on one lane, oldest first: a list in Walk::messages_.
struct Edge {
  std::uint32_t posted = 0, read = 0;
  std::uint32_t unread = kNone;  // the oldest one
  std::uint32_t newest = kNone;
  std::uint32_t oldest = kNone;  // of the newest W: it must be read before a further one is posted
};

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
  std::vector<std::uint32_t> edges;  // indices of the outgoing ones
  int calls_left = 0;
  std::size_t touched = 0;  // bytes read and written: they push older ones out of its caches
};

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
  /// Something that a rank could do next: a step of a lane, or (lane = kNone) leaving the call.
  struct Next {
    double start_s = kUnknown;
    std::uint32_t rank = kNone, lane = kNone;
  };

  void begin_call(std::uint32_t rank);
  void run_core(std::uint32_t core);
  Next next_on_core(std::uint32_t core);
  Next next_of_rank(std::uint32_t rank, double clock_s);
  double start_of(std::uint32_t rank, std::uint32_t lane);
  double start_of_reduce(std::uint32_t rank, std::uint32_t lane, const Step& step);
  double start_of_leaving(std::uint32_t rank) const;
  double when_read(const Edge& e, std::uint32_t lag) const;

  void execute(const Next& next);
  Cost execute_step(std::uint32_t rank, std::uint32_t lane, const Step& step);
  Cost send(std::uint32_t rank, std::uint32_t lane, const Step& step);
  Cost reduce(std::uint32_t rank, std::uint32_t lane, const Step& step);
  void leave_call(std::uint32_t rank);
  void publish(std::uint32_t rank, std::uint32_t lane, const Step& step, double end_s);

  Edge& edge(std::uint32_t from, std::uint32_t to, std::uint32_t lane);
  void wake(std::uint32_t rank, double at_s);
  std::uint32_t core_of(std::uint32_t rank) const { return rank * cores_count_ / size_; }

  // Fixed after construction.
  const WalkTask& task_;
  const StepCosts& costs_;
  const Conditions& conditions_;
  const Coefficients& coefficients_;
  const std::uint32_t size_;
  const std::uint32_t cores_count_;
  std::vector<Geometry> geometries_;  // by rank
  double lookahead_s_;                // a core may run so far ahead of the others

  // The state.
  std::vector<RankState> ranks_;
  std::vector<Core> cores_;
  std::vector<Edge> edges_;
  std::vector<std::uint32_t> edge_index_;  // by (from, to, lane)
  std::vector<Message> messages_;
  std::priority_queue<std::pair<double, std::uint32_t>,
                      std::vector<std::pair<double, std::uint32_t>>,
                      std::greater<>>
      ready_;  // cores, by clock; may hold outdated entries
  WalkResult result_;
};

Walk::Walk(const WalkTask& task, const StepCosts& costs, const Conditions& conditions,
           const Coefficients& coefficients)
    : task_(task),
      costs_(costs),
      conditions_(conditions),
      coefficients_(coefficients),
      size_(static_cast<std::uint32_t>(task.plans.size())),
      cores_count_(std::min(size_, static_cast<std::uint32_t>(std::max(1, conditions.caps.cpus)))),
      ranks_(size_),
      cores_(cores_count_),
      edge_index_(std::size_t{size_} * size_ * kMaxLanes, kNone) {
  bool one_lane = true;
  geometries_.reserve(size_);
  for (std::uint32_t r = 0; r < size_; ++r) {
    geometries_.emplace_back(task.plans[r], task.count, task.trips);
    ranks_[r].lanes.resize(static_cast<std::size_t>(task.plans[r].lanes()));
    ranks_[r].calls_left = task.calls;
    one_lane = one_lane && task.plans[r].lanes() == 1;
    begin_call(r);
  }
  // With one lane per core nothing depends on the order in which cores are walked.
  lookahead_s_ = coefficients.line_s;
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
  result_.finished = std::all_of(ranks_.begin(), ranks_.end(),
                                 [](const RankState& r) { return r.calls_left == 0; });
  return std::move(result_);
}

void Walk::begin_call(std::uint32_t rank) {
  for (std::uint32_t l = 0; l < ranks_[rank].lanes.size(); ++l) {
    Lane& lane = ranks_[rank].lanes[l];
    lane = Lane{};
    lane.cursor = LaneCursor(task_.plans[rank], static_cast<int>(l), task_.trips);
  }
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
Walk::Next Walk::next_on_core(std::uint32_t core_number) {
  const Core& core = cores_[core_number];
  const std::uint32_t lowest = (core_number * size_ + cores_count_ - 1) / cores_count_;
  const std::uint32_t end = ((core_number + 1) * size_ + cores_count_ - 1) / cores_count_;
  const std::uint32_t first = core.current == kNone ? lowest : core.current;
  Next best;
  std::uint32_t rank = first;
  do {
    const Next next = next_of_rank(rank, core.clock_s);
    if (next.rank != kNone && next.start_s <= core.clock_s) return next;
    if (next.start_s < best.start_s) best = next;
    rank = rank + 1 < end ? rank + 1 : lowest;
  } while (rank != first);
  return best;
}

Walk::Next Walk::next_of_rank(std::uint32_t rank, double clock_s) {
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
  const double start_s = start_of_leaving(rank);
  return start_s == kUnknown ? Next{} : Next{start_s, rank, kNone};
}

double Walk::start_of(std::uint32_t rank, std::uint32_t lane_number) {
  Lane& lane = ranks_[rank].lanes[lane_number];
  const Step& step = *lane.cursor.step();
  const LoopVars& vars = lane.cursor.vars();
  switch (step.op) {
    case Step::Op::kSend: {
      const Edge& e = edge(rank, task_.plans[rank].rank_of(step.peer, vars), lane_number);
      return when_read(e, conditions_.caps.window - 1);
    }
    case Step::Op::kReduce:
      return start_of_reduce(rank, lane_number, step);
    case Step::Op::kDrain:
      return when_read(edge(rank, task_.plans[rank].rank_of(step.peer, vars), step.lane), step.lag);
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

/// When the sender sees that all messages but the newest `lag` are read.
double Walk::when_read(const Edge& e, std::uint32_t lag) const {
  if (e.posted <= lag || lag >= conditions_.caps.window) return 0;  // the window saw to it
  if (e.posted - e.read > lag) return kUnknown;
  if (lag == 0) return messages_[e.newest].read_s;
  std::uint32_t message = e.oldest;
  for (std::uint32_t k = std::min(e.posted, conditions_.caps.window) - 1; k > lag; --k)
    message = messages_[message].next;
  return messages_[message].read_s;
}

/// Since when all messages of a reduction are there. Goes on where it stopped the last time.
double Walk::start_of_reduce(std::uint32_t rank, std::uint32_t lane_number, const Step& step) {
  Lane& lane = ranks_[rank].lanes[lane_number];
  const Plan& plan = task_.plans[rank];
  const auto operands = plan.operands_of(step);
  for (; lane.operand < operands.size(); ++lane.operand, lane.member = 0) {
    const Operand& operand = operands[lane.operand];
    if (operand.kind != Operand::Kind::kPeer && operand.kind != Operand::Kind::kPeers) continue;
    for (; lane.member < operand.count; ++lane.member) {
      const std::uint32_t peer = plan.rank_of(operand.peer, lane.cursor.vars(), lane.member);
      if (peer == rank) continue;
      const Edge& e = edge(peer, rank, lane_number);
      if (e.unread == kNone) return kUnknown;
      lane.since_s = std::max(lane.since_s, messages_[e.unread].there_s);
    }
  }
  return lane.since_s;
}

/// A call ends when all its messages are read.
double Walk::start_of_leaving(std::uint32_t rank) const {
  double start_s = 0;
  for (const std::uint32_t index : ranks_[rank].edges) {
    const Edge& e = edges_[index];
    start_s = std::max(start_s, when_read(e, 0));
    if (start_s == kUnknown) break;
  }
  return start_s;
}

void Walk::execute(const Next& next) {
  Core& core = cores_[core_of(next.rank)];
  if (next.lane == kNone) {
    core.clock_s += coefficients_.call_s;
    leave_call(next.rank);
    return;
  }
  Lane& lane = ranks_[next.rank].lanes[next.lane];
  const Step& step = *lane.cursor.step();
  Cost cost = execute_step(next.rank, next.lane, step);
  core.clock_s += coefficients_.step_s + cost.seconds;
  result_.dram_bytes += cost.dram_bytes;
  publish(next.rank, next.lane, step, core.clock_s);
  lane.operand = lane.member = 0;
  lane.since_s = 0;
  lane.cursor.advance();
}

Cost Walk::execute_step(std::uint32_t rank, std::uint32_t lane, const Step& step) {
  RankState& state = ranks_[rank];
  switch (step.op) {
    case Step::Op::kSend:
      return send(rank, lane, step);
    case Step::Op::kReduce:
      return reduce(rank, lane, step);
    case Step::Op::kScale: {
      const LoopVars& vars = state.lanes[lane].cursor.vars();
      const Operand& from = task_.plans[rank].operands_of(step)[0];
      const std::size_t bytes = geometries_[rank].count_of(step.ref, vars) * task_.element_bytes;
      return costs_.combine(from.ref.buffer, 1, 2, step.ref.buffer, bytes);
    }
    case Step::Op::kSignal:
      ++state.lanes[step.lane].tokens[lane];
      return {};
    case Step::Op::kWait:
      --state.lanes[lane].tokens[step.lane];
      return {};
    case Step::Op::kDrain:
    case Step::Op::kLoop:
    case Step::Op::kTiles:
    case Step::Op::kEnd:
      break;
  }
  return {};
}

Cost Walk::send(std::uint32_t rank, std::uint32_t lane_number, const Step& step) {
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

Cost Walk::reduce(std::uint32_t rank, std::uint32_t lane_number, const Step& step) {
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
      const bool messages =
          operand.kind == Operand::Kind::kPeer || operand.kind == Operand::Kind::kPeers;
      const std::uint32_t peer =
          messages ? plan.rank_of(operand.peer, lane.cursor.vars(), m) : rank;
      if (peer == rank) {
        ++local;
        local_from = operand.kind == Operand::Kind::kSlots ? Buffer::kScratch : operand.ref.buffer;
        continue;
      }
      const Message& message = messages_[edge(peer, rank, lane_number).unread];
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

/// What others see of a step that ended: a message, or that messages were read.
void Walk::publish(std::uint32_t rank, std::uint32_t lane_number, const Step& step, double end_s) {
  const Lane& lane = ranks_[rank].lanes[lane_number];
  const Plan& plan = task_.plans[rank];
  const LoopVars& vars = lane.cursor.vars();
  const double seen_s = end_s + coefficients_.line_s;
  if (step.op == Step::Op::kSend) {
    const std::uint32_t peer = plan.rank_of(step.peer, vars);
    Edge& e = edge(rank, peer, lane_number);
    const auto index = static_cast<std::uint32_t>(messages_.size());
    messages_.push_back({.there_s = seen_s,
                         .bytes = lane.last_sent.count * task_.element_bytes,
                         .touched = ranks_[rank].touched,
                         .from = step.ref.buffer});
    if (e.newest != kNone) messages_[e.newest].next = index;
    if (e.unread == kNone) e.unread = index;
    if (e.oldest == kNone) e.oldest = index;
    e.newest = index;
    if (++e.posted > conditions_.caps.window) e.oldest = messages_[e.oldest].next;
    wake(peer, seen_s);
  } else if (step.op == Step::Op::kReduce) {
    for (const Operand& operand : plan.operands_of(step)) {
      if (operand.kind != Operand::Kind::kPeer && operand.kind != Operand::Kind::kPeers) continue;
      for (std::uint32_t m = 0; m < operand.count; ++m) {
        const std::uint32_t peer = plan.rank_of(operand.peer, vars, m);
        if (peer == rank) continue;
        Edge& e = edge(peer, rank, lane_number);
        Message& message = messages_[e.unread];
        message.read_s = seen_s;
        e.unread = message.next;
        ++e.read;
        wake(peer, seen_s);
      }
    }
  }
}

void Walk::leave_call(std::uint32_t rank) {
  RankState& state = ranks_[rank];
  const auto call = static_cast<std::size_t>(task_.calls - state.calls_left);
  double& end_s = result_.ends_s[call];
  end_s = std::max(end_s, cores_[core_of(rank)].clock_s);
  if (--state.calls_left > 0) begin_call(rank);
}

Edge& Walk::edge(std::uint32_t from, std::uint32_t to, std::uint32_t lane) {
  std::uint32_t& index = edge_index_[(std::size_t{from} * size_ + to) * kMaxLanes + lane];
  if (index == kNone) {
    index = static_cast<std::uint32_t>(edges_.size());
    edges_.emplace_back();
    ranks_[from].edges.push_back(index);
  }
  return edges_[index];
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

}  // namespace tutti

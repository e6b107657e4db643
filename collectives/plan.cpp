#include "collectives/plan.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "collectives/drains.h"
#include "collectives/hash.h"

namespace tutti {

void LaneCursor::start(const Plan& plan, int lane, std::uint32_t trips) {
  steps_ = plan.steps.data();
  pc_ = plan.lane_begin[static_cast<std::size_t>(lane)];
  end_ = plan.lane_begin[static_cast<std::size_t>(lane) + 1];
  trips_ = trips;
  vars_ = {};
  if (pc_ != end_ && steps_[pc_].op >= Step::Op::kLoop) settle();
}

void LaneCursor::settle() {
  while (pc_ != end_) {
    const Step& s = steps_[pc_];
    if (s.op == Step::Op::kEnd) {
      const Step& begin = steps_[s.jump];
      const std::uint32_t trips = begin.op == Step::Op::kTiles ? trips_ : begin.trips;
      if (++counter(s.depth) < trips) {
        pc_ = s.jump + 1;
      } else {
        counter(s.depth) = 0;
        ++pc_;
      }
    } else if (s.op == Step::Op::kLoop || s.op == Step::Op::kTiles) {
      counter(s.depth) = 0;
      ++pc_;  // loops are never empty: the builder leaves out those of no trips
    } else {
      return;
    }
  }
}

PlanBuilder::PlanBuilder(const Shape& shape, int chunks, int scratch_slots)
    : shape_(shape), chunks_(chunks) {
  assert(chunks >= 1 && scratch_slots >= 0);
  plan_.rank = static_cast<std::uint32_t>(shape.rank);
  plan_.size = static_cast<std::uint32_t>(shape.size);
  plan_.scratch_slots = static_cast<std::uint32_t>(scratch_slots);
  plan_.in_place = shape.in_place;
  plan_.grids.push_back({static_cast<std::uint32_t>(chunks), Nesting::kTileMajor});
  plan_.maps.emplace_back();
}

// A pre-scaled input is scaled into the output first, and the rest of the plan is that of a call in
// place: one rule instead of a variant of every algorithm.
Ref PlanBuilder::ref(Buffer buffer, int grid, Expr first, int run) const {
  if (buffer == Buffer::kInput && shape_.pre_scaled) buffer = Buffer::kOutput;
  const auto total = static_cast<std::uint32_t>(run);
  return {buffer, static_cast<std::uint16_t>(grid), {}, first, total, total, total};
}

Ref PlanBuilder::scratch(Expr slot, Expr first, int run) const {
  Ref r = ref(Buffer::kScratch, grid_, first, run);
  r.slot = slot;
  return r;
}

std::uint16_t PlanBuilder::table(std::vector<std::uint32_t> ranks) {
  assert(!ranks.empty());
  plan_.maps.push_back(std::move(ranks));
  return static_cast<std::uint16_t>(plan_.maps.size() - 1);
}

Operand PlanBuilder::from(const Peer& peer) const { return {Operand::Kind::kPeer, {}, peer, 1}; }

Operand PlanBuilder::from_all(const Ref& own) const {
  return {Operand::Kind::kPeers, own, {0, 0}, plan_.size};
}

Operand PlanBuilder::from_all_slots(const Ref& own) const {
  return {Operand::Kind::kSlots, own, {0, 0}, plan_.size};
}

Step& PlanBuilder::append(Step step) { return lanes_[lane_].emplace_back(step); }

void PlanBuilder::send(const Peer& to, const Ref& ref) {
  append({.op = Step::Op::kSend, .peer = to, .ref = ref});
}

void PlanBuilder::recv(const Peer& peer, const Ref& to) { reduce(to, {from(peer)}); }

Step& PlanBuilder::copy(const Ref& dst, const Ref& src) { return reduce(dst, {local(src)}); }

Step& PlanBuilder::reduce(const Ref& dst, std::initializer_list<Operand> operands) {
  const auto begin = static_cast<std::uint32_t>(plan_.operands.size());
  plan_.operands.insert(plan_.operands.end(), operands);
  return append({.op = Step::Op::kReduce,
                 .ref = dst,
                 .operand_begin = begin,
                 .operand_count = static_cast<std::uint32_t>(operands.size())});
}

void PlanBuilder::drain(const Peer& peer, int lane, int lag) {
  append({.op = Step::Op::kDrain,
          .lane = static_cast<std::uint8_t>(lane),
          .lag = static_cast<std::uint32_t>(lag),
          .peer = peer});
}

void PlanBuilder::signal(int lane) {
  append({.op = Step::Op::kSignal, .lane = static_cast<std::uint8_t>(lane)});
}

void PlanBuilder::wait(int lane) {
  append({.op = Step::Op::kWait, .lane = static_cast<std::uint8_t>(lane)});
}

void PlanBuilder::tiles(const std::function<void()>& body) {
  assert(depth_ == 0);
  const auto begin = static_cast<std::uint32_t>(lanes_[lane_].size());
  append({.op = Step::Op::kTiles});
  body();
  append({.op = Step::Op::kEnd, .jump = begin});
}

void PlanBuilder::loop(int trips, const std::function<void(Expr)>& body) {
  assert(depth_ < 2);
  if (trips <= 0) return;
  ++depth_;
  const auto depth = static_cast<std::uint8_t>(depth_);
  const auto begin = static_cast<std::uint32_t>(lanes_[lane_].size());
  append({.op = Step::Op::kLoop, .depth = depth, .trips = static_cast<std::uint32_t>(trips)});
  body(depth == 1 ? Expr(1, 0, 0) : Expr(0, 1, 0));
  append({.op = Step::Op::kEnd, .depth = depth, .jump = begin});
  --depth_;
}

void PlanBuilder::peers(const std::function<void(Expr)>& body) {
  loop(shape_.size - 1, [&](Expr i) { body(shape_.rank + 1 + i); });
}

void PlanBuilder::lane(int lane, const std::function<void()>& body) {
  assert(lane >= 0 && lane < kMaxLanes);
  const int before = std::exchange(lane_, lane);
  body();
  lane_ = before;
}

// Lane 0 scales all tiles before any other step; the other lanes wait for it.
void PlanBuilder::prescale() {
  const Ref input{Buffer::kInput,
                  grid_,
                  {},
                  0,
                  static_cast<std::uint32_t>(chunks_),
                  static_cast<std::uint32_t>(chunks_),
                  static_cast<std::uint32_t>(chunks_)};
  const auto operand = static_cast<std::uint32_t>(plan_.operands.size());
  plan_.operands.push_back(local(input));
  std::vector<Step> prologue = {
      {.op = Step::Op::kTiles},
      {.op = Step::Op::kScale, .ref = all_out(), .operand_begin = operand, .operand_count = 1},
      {.op = Step::Op::kEnd, .jump = 0}};
  for (int l = 1; l < kMaxLanes; ++l) {
    if (lanes_[l].empty()) continue;
    prologue.push_back({.op = Step::Op::kSignal, .lane = static_cast<std::uint8_t>(l)});
    for (Step& s : lanes_[l]) s.jump += 1;
    lanes_[l].insert(lanes_[l].begin(), Step{.op = Step::Op::kWait, .lane = 0});
  }
  for (Step& s : lanes_[0]) s.jump += static_cast<std::uint32_t>(prologue.size());
  lanes_[0].insert(lanes_[0].begin(), prologue.begin(), prologue.end());
}

Plan PlanBuilder::finish() {
  if (shape_.pre_scaled) prescale();
  plan_.lane_begin.push_back(0);
  int lanes = kMaxLanes;
  while (lanes > 1 && lanes_[lanes - 1].empty()) --lanes;  // empty ones between keep their numbers
  for (std::vector<Step>& lane : std::span(lanes_).first(static_cast<std::size_t>(lanes))) {
    const auto base = static_cast<std::uint32_t>(plan_.steps.size());
    for (Step& s : lane) {
      if (s.op == Step::Op::kEnd) s.jump += base;
      plan_.steps.push_back(s);
    }
    plan_.lane_begin.push_back(static_cast<std::uint32_t>(plan_.steps.size()));
  }
  insert_drains(plan_);
  plan_.hash = hash_of(plan_);
  return std::move(plan_);
}

}  // namespace tutti

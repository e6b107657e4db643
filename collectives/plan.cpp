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

PlanBuilder::PlanBuilder(const Shape& shape) : shape_(shape) {
  plan_.rank = static_cast<std::uint32_t>(shape.rank);
  plan_.size = static_cast<std::uint32_t>(shape.size);
  const CollectiveTraits& traits = traits_of(shape.collective);
  plan_.input_blocks =
      static_cast<std::uint32_t>(traits.input_blocks(shape.size, shape.rank, shape.root));
  plan_.output_blocks =
      static_cast<std::uint32_t>(traits.output_blocks(shape.size, shape.rank, shape.root));
  plan_.in_place = shape.in_place && plan_.input_blocks > 0 && plan_.output_blocks > 0;
  plan_.maps.emplace_back();
}

PlanBuilder::PlanBuilder(const Shape& shape, int chunks, int scratch_slots) : PlanBuilder(shape) {
  assert(chunks >= 1 && scratch_slots >= 0);
  chunks_ = chunks;
  add_grid({static_cast<std::uint32_t>(chunks), Nesting::kTileMajor});
  reserve_slots(scratch_slots);
}

PlanBuilder PlanBuilder::in_blocks(const Shape& shape, int scratch_slots) {
  PlanBuilder b(shape);
  const auto grid = [&](std::uint32_t blocks) {
    return b.add_grid({std::max(blocks, 1u), Nesting::kChunkMajor});
  };
  b.plan_.tile_blocks = b.plan_.size;
  b.in_grid_ = grid(b.plan_.input_blocks);
  b.out_grid_ = grid(b.plan_.output_blocks);
  b.slot_grid_ = grid(static_cast<std::uint32_t>(scratch_slots));
  b.reserve_slots(scratch_slots);
  return b;
}

// The generator's own, then those that hold a scaled input.
void PlanBuilder::reserve_slots(int slots) {
  scaled_slot_ = static_cast<std::uint32_t>(slots);
  plan_.scratch_slots = scaled_slot_;
  if (shape_.pre_scaled && !scales_into_output()) plan_.scratch_slots += plan_.input_blocks;
}

std::uint16_t PlanBuilder::add_grid(const Grid& grid) {
  const auto found = std::find(plan_.grids.begin(), plan_.grids.end(), grid);
  const auto index = static_cast<std::uint16_t>(found - plan_.grids.begin());
  if (found == plan_.grids.end()) plan_.grids.push_back(grid);
  return index;
}

Ref PlanBuilder::ref(Buffer buffer, std::uint16_t grid, Expr first, int run) {
  const auto total = static_cast<std::uint32_t>(run);
  return {buffer, grid, {}, first, total, total, total};
}

Ref PlanBuilder::every(Ref first, int run, int stride, int total) {
  first.run = static_cast<std::uint32_t>(std::min(run, total));
  first.stride = static_cast<std::uint32_t>(stride);
  first.total = static_cast<std::uint32_t>(total);
  return first;
}

bool PlanBuilder::scales_into_output() const {
  const CollectiveTraits& traits = traits_of(shape_.collective);
  return traits.input == traits.output;
}

// A pre-scaled input is scaled first, into the output where every rank's can hold it, else into
// scratch, and the rest of the plan reads it there: one rule instead of a variant of every
// algorithm.
Ref PlanBuilder::in(Expr first, int run) const {
  Ref r = ref(Buffer::kInput, in_grid_, first, run);
  if (!shape_.pre_scaled) return r;
  r.buffer = scales_into_output() ? Buffer::kOutput : Buffer::kScratch;
  if (!scales_into_output()) r.slot = static_cast<int>(scaled_slot_);
  return r;
}

Ref PlanBuilder::scratch(Expr slot, Expr first, int run) const {
  Ref r = ref(Buffer::kScratch, in_grid_, first, run);
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
                 .shape = shape_.reproducible ? ReduceShape::kBalanced : ReduceShape::kFold,
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

void PlanBuilder::prescale() {
  scales_into_output() ? prescale_into_output() : prescale_into_scratch();
}

// Lane 0 scales all tiles before any other step; the other lanes wait for it.
void PlanBuilder::prescale_into_output() {
  std::vector<Step> prologue = {{.op = Step::Op::kTiles}, scale_step(), {.op = Step::Op::kEnd}};
  for (int l = 1; l < kMaxLanes; ++l) {
    if (lanes_[l].empty()) continue;
    prologue.push_back({.op = Step::Op::kSignal, .lane = static_cast<std::uint8_t>(l)});
    for (Step& s : lanes_[l]) s.jump += 1;
    lanes_[l].insert(lanes_[l].begin(), Step{.op = Step::Op::kWait, .lane = 0});
  }
  for (Step& s : lanes_[0]) s.jump += static_cast<std::uint32_t>(prologue.size());
  lanes_[0].insert(lanes_[0].begin(), prologue.begin(), prologue.end());
}

// Scratch holds one tile: each is scaled when its turn comes and nobody reads the one before it.
void PlanBuilder::prescale_into_scratch() {
  std::vector<Step>& lane = lanes_[0];
  assert(lane.front().op == Step::Op::kTiles && lanes_[1].empty());
  const auto rank = static_cast<std::int32_t>(plan_.rank);
  std::vector<Step> prologue;
  if (plan_.size > 1)
    prologue = {{.op = Step::Op::kLoop, .depth = 1, .trips = plan_.size - 1},
                {.op = Step::Op::kDrain, .lane = 0, .lag = 0, .peer = {Expr(1, 0, rank + 1), 0}},
                {.op = Step::Op::kEnd, .depth = 1, .jump = 1}};
  prologue.push_back(scale_step());
  for (Step& s : lane) s.jump += s.jump > 0 ? static_cast<std::uint32_t>(prologue.size()) : 0;
  lane.insert(lane.begin() + 1, prologue.begin(), prologue.end());
}

// Scales the whole input, as far as it is in one tile.
Step PlanBuilder::scale_step() {
  const int chunks = static_cast<int>(plan_.grids[in_grid_].chunks);
  const Ref to = in(0, chunks);
  const auto operand = static_cast<std::uint32_t>(plan_.operands.size());
  plan_.operands.push_back(local(ref(Buffer::kInput, in_grid_, 0, chunks)));
  return {.op = Step::Op::kScale, .ref = to, .operand_begin = operand, .operand_count = 1};
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

#include "tests/mutants.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "collectives/hash.h"

namespace tutti::test {
namespace {

using Op = Step::Op;

bool is_loop(const Step& s) { return s.op >= Op::kLoop; }

class Mutator {
 public:
  using Visit = std::function<void(std::string_view, std::uint32_t, const Plan&)>;

  Mutator(const Plan& plan, const Visit& visit) : plan_(plan), visit_(visit) {}

  void all() {
    for (step_ = 0; step_ < plan_.steps.size(); ++step_) {
      const Step& s = plan_.steps[step_];
      if (s.op == Op::kLoop) loops();
      if (is_loop(s)) continue;
      order();
      if (s.op == Op::kSend || s.op == Op::kDrain) peers();
      if (s.op == Op::kSend || s.op == Op::kReduce || s.op == Op::kScale) refs();
      if (s.op == Op::kDrain || s.op == Op::kSignal || s.op == Op::kWait) lanes();
      if (s.op == Op::kDrain) lags();
      if (s.op == Op::kReduce || s.op == Op::kScale) operands();
      if (s.op == Op::kReduce) reductions();
    }
  }

 private:
  // Visits the plan with `change` made to this step.
  template <typename Change>
  void with(std::string_view kind, Change change) {
    Plan mutant = plan_;
    change(mutant.steps[step_]);
    emit(kind, std::move(mutant));
  }
  template <typename Change>
  void with_operand(std::string_view kind, std::uint32_t operand, Change change) {
    Plan mutant = plan_;
    change(mutant.operands[operand]);
    emit(kind, std::move(mutant));
  }
  void emit(std::string_view kind, Plan mutant) {
    if (mutant == plan_) return;
    mutant.hash = hash_of(mutant);
    if (mutant.hash == plan_.hash) throw std::logic_error("two plans have one hash");
    visit_(kind, step_, mutant);
  }

  void loops() {
    with("one round more", [](Step& s) { ++s.trips; });
    if (plan_.steps[step_].trips > 1) with("one round less", [](Step& s) { --s.trips; });
  }

  void order() {
    const Step s = plan_.steps[step_];
    emit(s.op == Op::kDrain ? "drop a drain" : "drop a step", without_step(plan_, step_));
    emit("duplicate a step", with_step(plan_, step_, s));
    const bool last = std::ranges::find(plan_.lane_begin, step_ + 1) != plan_.lane_begin.end();
    if (!last && !is_loop(plan_.steps[step_ + 1])) {
      Plan swapped = plan_;
      std::swap(swapped.steps[step_], swapped.steps[step_ + 1]);
      emit("swap with the next step", std::move(swapped));
    }
    for (std::size_t l = 0; l + 1 < plan_.lane_begin.size(); ++l) {
      const std::uint32_t begin = plan_.lane_begin[l], end = plan_.lane_begin[l + 1];
      if (step_ >= begin && step_ < end) continue;
      std::uint32_t at = begin;  // into the tile loop, if there is one
      while (at < end && plan_.steps[at].op != Op::kTiles) ++at;
      Plan more = with_step(plan_, at == end ? begin : at + 1, s);
      emit("move to another lane", without_step(std::move(more), step_ + (at < step_ ? 1 : 0)));
    }
  }

  void peers() {
    with("next peer", [](Step& s) { s.peer.index = s.peer.index + 1; });
    with("previous peer", [](Step& s) { s.peer.index = s.peer.index - 1; });
  }

  static void shift(Ref& ref, int by) { ref.first = ref.first + by; }
  static void other_buffer(Ref& ref) {
    ref.buffer = ref.buffer == Buffer::kOutput ? Buffer::kInput : Buffer::kOutput;
  }

  // What a change does not change (the only chunk, the only slot, the same memory) is no mutation.
  bool has_two_buffers(const Ref& ref) const {
    return !plan_.in_place || ref.buffer == Buffer::kScratch;
  }
  bool has_chunks(const Ref& ref) const {
    return ref.total > 0 && plan_.grids[ref.grid].chunks > ref.total;
  }

  void refs() {
    const Ref& ref = plan_.steps[step_].ref;
    if (ref.total == 0) return;
    if (ref.buffer == Buffer::kScratch && plan_.scratch_slots > 1)
      with("next slot", [](Step& s) { s.ref.slot = s.ref.slot + 1; });
    if (has_two_buffers(ref)) with("another buffer", [](Step& s) { other_buffer(s.ref); });
    if (ref.total > 1) with("one chunk less", [](Step& s) { s.ref.run = s.ref.total -= 1; });
    if (!has_chunks(ref)) return;
    with("next chunk", [](Step& s) { shift(s.ref, 1); });
    with("previous chunk", [](Step& s) { shift(s.ref, -1); });
  }

  void lanes() {
    const auto lanes = static_cast<unsigned>(plan_.lanes());
    with("another lane",
         [&](Step& s) { s.lane = static_cast<std::uint8_t>((s.lane + 1u) % lanes); });
  }

  void lags() {
    with("one more lag", [](Step& s) { ++s.lag; });
    if (plan_.steps[step_].lag > 0) with("one less lag", [](Step& s) { --s.lag; });
  }

  void operands() {
    const Step& s = plan_.steps[step_];
    for (std::uint32_t o = s.operand_begin; o < s.operand_begin + s.operand_count; ++o) {
      const Operand::Kind kind = plan_.operands[o].kind;
      if (kind != Operand::Kind::kLocal)
        with_operand("operand of the next peer", o,
                     [](Operand& x) { x.peer.index = x.peer.index + 1; });
      if (kind == Operand::Kind::kPeers || kind == Operand::Kind::kSlots)
        with_operand("operand of one member less", o, [](Operand& x) { --x.count; });
      if (kind == Operand::Kind::kPeer) continue;
      if (has_chunks(plan_.operands[o].ref))
        with_operand("operand of the next chunk", o, [](Operand& x) { shift(x.ref, 1); });
      if (has_two_buffers(plan_.operands[o].ref))
        with_operand("operand of another buffer", o, [](Operand& x) { other_buffer(x.ref); });
    }
    for (std::uint32_t o = s.operand_begin; o + 1 < s.operand_begin + s.operand_count; ++o) {
      Plan swapped = plan_;
      std::swap(swapped.operands[o], swapped.operands[o + 1]);
      emit("swap two operands", std::move(swapped));
      with("leave out an operand", [](Step& x) { --x.operand_count; });
    }
  }

  void reductions() {
    with("finish or not", [](Step& s) { s.finish = !s.finish; });
    std::uint32_t sources = 0;
    for (const Operand& o : plan_.operands_of(plan_.steps[step_])) sources += o.count;
    if (sources <= 2) return;  // both shapes are the same
    with("another shape", [](Step& s) {
      s.shape = s.shape == ReduceShape::kFold ? ReduceShape::kBalanced : ReduceShape::kFold;
    });
  }

  const Plan& plan_;
  const Visit& visit_;
  std::uint32_t step_ = 0;
};

}  // namespace

Plan rehashed(Plan plan) {
  plan.hash = hash_of(plan);
  return plan;
}

Plan without_step(Plan plan, std::uint32_t at) {
  plan.steps.erase(plan.steps.begin() + at);
  for (Step& s : plan.steps) {
    if (s.op == Op::kEnd && s.jump > at) --s.jump;
  }
  for (std::uint32_t& begin : plan.lane_begin) {
    if (begin > at) --begin;
  }
  return rehashed(std::move(plan));
}

Plan with_step(Plan plan, std::uint32_t at, const Step& step) {
  plan.steps.insert(plan.steps.begin() + at, step);
  for (Step& s : plan.steps) {
    if (s.op == Op::kEnd && s.jump >= at) ++s.jump;
  }
  for (std::size_t l = 1; l < plan.lane_begin.size(); ++l) {
    // The first step of a lane is inserted into that lane, not at the end of the one before.
    if (plan.lane_begin[l] > at || l + 1 == plan.lane_begin.size()) ++plan.lane_begin[l];
  }
  return rehashed(std::move(plan));
}

void for_each_mutant(
    const Plan& plan,
    const std::function<void(std::string_view kind, std::uint32_t step, const Plan&)>& visit) {
  Mutator(plan, visit).all();
}

}  // namespace tutti::test

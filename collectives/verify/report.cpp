// What a proof says when it fails: steps in words, and who waits for whom.
#include <algorithm>

#include "collectives/verify/broken_rule.h"
#include "collectives/verify/machine.h"

namespace tutti {
namespace {

std::string text_of(const Plan& plan, const Ref& ref, const LoopVars& v) {
  constexpr const char* kNames[] = {"in", "out", "scratch"};
  if (ref.total == 0) return "nothing";
  const std::uint32_t chunks = plan.grids[ref.grid].chunks;
  const std::uint32_t first = evaluate(ref.first, v, chunks);
  std::string text = kNames[static_cast<int>(ref.buffer)];
  if (ref.buffer == Buffer::kScratch)
    text += " " + std::to_string(evaluate(ref.slot, v, plan.scratch_slots));
  text += "[" + std::to_string(first);
  if (ref.total > 1) text += "…" + std::to_string(first + ref.total - 1);
  return text + "]";
}

std::string text_of(const Plan& plan, const Operand& o, const LoopVars& v) {
  const auto rank = [&](std::uint32_t m) { return std::to_string(plan.rank_of(o.peer, v, m)); };
  switch (o.kind) {
    case Operand::Kind::kLocal:
      return text_of(plan, o.ref, v);
    case Operand::Kind::kPeer:
      return "from " + rank(0);
    case Operand::Kind::kPeers:
      return "from " + rank(0) + "…" + rank(o.count - 1);
    case Operand::Kind::kSlots:
      return "scratch " + rank(0) + "…" + rank(o.count - 1);
  }
  return "?";
}

std::string text_of(const Plan& plan, const Step& s, const LoopVars& v) {
  const auto peer = [&] { return std::to_string(plan.rank_of(s.peer, v)); };
  switch (s.op) {
    case Step::Op::kSend:
      return "send " + text_of(plan, s.ref, v) + " to " + peer();
    case Step::Op::kDrain:
      return "drain " + peer() + (s.lag > 0 ? " but " + std::to_string(s.lag) : "");
    case Step::Op::kSignal:
      return "signal lane " + std::to_string(s.lane);
    case Step::Op::kWait:
      return "wait for lane " + std::to_string(s.lane);
    case Step::Op::kReduce:
    case Step::Op::kScale:
      break;
    default:
      return "loop";
  }
  std::string text = text_of(plan, s.ref, v) + (s.op == Step::Op::kScale ? " = scaled " : " = ");
  const char* separator = "";
  for (const Operand& o : plan.operands_of(s)) {
    text += separator + text_of(plan, o, v);
    separator = " + ";
  }
  return text + (s.finish ? ", finish" : "");
}

}  // namespace

std::string describe_step(const Plan& plan, std::uint32_t index, const LoopVars& v) {
  return "step " + std::to_string(index) + " (" + text_of(plan, plan.steps[index], v) + ")";
}

namespace proof {

std::string Machine::name_of(const Rank& self, int lane) const {
  const LaneCursor& at = self.lanes[static_cast<std::size_t>(lane)].at;
  std::string text = "rank " + std::to_string(self.plan->rank) + ", ";
  if (self.plan->lanes() > 1) text += "lane " + std::to_string(lane) + ", ";
  if (at.step() == nullptr) return text + "at its end";
  if (claim_.trips > 1) text += "tile " + std::to_string(at.vars().t) + ", ";
  return text + describe_step(*self.plan, at.index(), at.vars());
}

void Machine::fail(const Rank& self, int lane, const std::string& rule) const {
  throw BrokenRule(name_of(self, lane) + ": " + rule);
}

// "element 7 of the output (chunk 2 of tile 0)".
std::string Machine::element_name(const Rank& self, int lane, Cell cell) const {
  const LaneCursor& at = self.lanes[static_cast<std::size_t>(lane)].at;
  const Memory& memory = self.memory;
  const bool input = memory.is_input(cell);
  if (!input && !memory.is_output(cell))
    return "scratch slot " + std::to_string(memory.slot_of(cell));
  const std::uint32_t element = input ? memory.element_of_input(cell) : memory.element(cell);
  const std::string name =
      "element " + std::to_string(element) + " of the " + (input ? "input" : "output");
  const Grid& grid = self.plan->grids[at.step()->ref.grid];
  if (grid.nesting == Nesting::kChunkMajor)
    return name + " (block " + std::to_string(element / claim_.count) + ")";
  const std::uint64_t chunks = grid.chunks;
  std::uint64_t chunk = 0;  // the last one that begins here or before, in tile-major numbering
  while (chunk + 1 < chunks * claim_.trips &&
         (chunk + 1) * claim_.count / (chunks * claim_.trips) <= element) {
    ++chunk;
  }
  return name + " (chunk " + std::to_string(chunk % chunks) + " of tile " +
         std::to_string(chunk / chunks) + ")";
}

// All lanes are at their ends, all messages received and all tokens taken.
void Machine::check_ended() {
  for (Rank& self : ranks_) {
    for (int lane = 0; lane < self.plan->lanes(); ++lane) {
      if (self.lanes[static_cast<std::size_t>(lane)].at.step() != nullptr)
        fail_deadlock(self.plan->rank, lane);
    }
  }
  for (const Rank& self : ranks_) {
    const std::string name = "rank " + std::to_string(self.plan->rank);
    for (const Edge& e : self.edges) {
      if (e.sent == e.read) continue;
      throw BrokenRule(name + ", " + describe_step(*self.plan, e.under_way.step, e.under_way.vars) +
                       ": is never received by rank " + std::to_string(e.to));
    }
    for (const Lane& lane : self.lanes) {
      for (int from = 0; from < kMaxLanes; ++from) {
        if (!lane.tokens[from].empty())
          throw BrokenRule(name + ": " + std::to_string(lane.tokens[from].size()) +
                           " tokens of lane " + std::to_string(from) + " are never taken");
      }
    }
  }
}

Machine::Wait Machine::wait_of(Rank& self, int lane) {
  const Lane& mine = self.lanes[static_cast<std::size_t>(lane)];
  const Step& s = *mine.at.step();
  const LoopVars& v = mine.at.vars();
  switch (s.op) {
    case Step::Op::kSend:
      return {self.plan->rank_of(s.peer, v), lane, "its last message there is not received by"};
    case Step::Op::kDrain:
      return {self.plan->rank_of(s.peer, v), s.lane, "waits for receives of"};
    case Step::Op::kWait:
      return {self.plan->rank, s.lane, "waits for a token of"};
    default:
      break;
  }
  const Operand& o = self.plan->operands_of(s)[mine.operand];
  return {self.plan->rank_of(o.peer, v, mine.member), lane, "waits for a message of"};
}

// Follows who waits for whom until a lane comes up again, or one that has ended.
void Machine::fail_deadlock(std::uint32_t r, int lane) {
  std::vector<std::pair<std::uint32_t, int>> path;
  std::string text = "deadlock: ";
  for (;;) {
    Rank& self = rank(r);
    if (lane >= self.plan->lanes())
      throw BrokenRule(text + "rank " + std::to_string(r) + ", which has no lane " +
                       std::to_string(lane));
    text += name_of(self, lane);
    const bool again = std::ranges::find(path, std::pair(r, lane)) != path.end();
    if (again || path.size() == 8 ||
        self.lanes[static_cast<std::size_t>(lane)].at.step() == nullptr)
      throw BrokenRule(text + (again ? ": a cycle" : ""));
    path.emplace_back(r, lane);
    const Wait wait = wait_of(self, lane);
    text += " " + wait.why + " ";
    r = wait.rank, lane = wait.lane;
  }
}

}  // namespace proof
}  // namespace tutti

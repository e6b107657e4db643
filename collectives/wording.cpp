#include "collectives/wording.h"

#include <algorithm>
#include <cstdlib>

namespace tutti {
namespace {

std::string signed_text(std::int64_t value) {
  return (value < 0 ? "-" : "+") + std::to_string(std::abs(value));
}

// The representative of a value that is nearest to zero.
std::int64_t centred(std::int64_t value, std::uint32_t modulus) {
  const std::int64_t m = modulus;
  const std::int64_t rest = (value % m + m) % m;
  return rest > m / 2 ? rest - m : rest;
}

// "+i", "-2j", or nothing.
std::string term(std::int32_t factor, const char* variable) {
  if (factor == 0) return "";
  const std::string sign = factor < 0 ? "-" : "+";
  const int size = std::abs(factor);
  return sign + (size == 1 ? "" : std::to_string(size)) + variable;
}

const char* name_of(Buffer buffer) {
  switch (buffer) {
    case Buffer::kInput:
      return "in";
    case Buffer::kOutput:
      return "out";
    case Buffer::kScratch:
      break;
  }
  return "scratch";
}

}  // namespace

// The constants of all plans as one word: a number, or a function of the rank.
std::string Wording::constant(const ExprOf& of, std::uint32_t modulus, bool variable) {
  const std::int64_t c = of(first()).c, rank = first().rank;
  bool equal = true, sum = true, difference = true, exclusive = !variable;
  for (const Plan* p : plans_) {
    const std::int64_t other = of(*p).c, r = p->rank;
    equal &= other == c;
    difference &= other - r == c - rank;
    sum &= other + r == c + rank;
    exclusive &= other >= 0 && (other ^ r) == (c ^ rank);
  }
  if (equal) {
    const std::int64_t k = centred(c, modulus);
    if (variable) return k == 0 ? "" : signed_text(k);
    return std::to_string((c % std::int64_t{modulus} + modulus) % modulus);
  }
  if (difference) {
    const std::int64_t k = centred(c - rank, modulus);
    return k == 0 ? "rank" : "rank" + signed_text(k);
  }
  if (sum) return std::to_string((c + rank) % modulus) + "-rank";
  if (exclusive) return "rank^" + std::to_string(c ^ rank);
  failed_ = true;
  return "?";
}

std::string Wording::expression(const ExprOf& of, std::uint32_t modulus) {
  const Expr e = of(first());
  if (picture()) return std::to_string(evaluate(e, *vars_, modulus));
  const std::string variables = term(e.a, "i") + term(e.b, "j");
  const std::string rest = constant(of, modulus, !variables.empty());
  // The rank comes first, as one says it: rank-1-i, but i+1.
  std::string text = rest.starts_with("rank") ? rest + variables : variables + rest;
  if (text.starts_with("+")) text.erase(0, 1);
  return text;
}

std::string Wording::peer(const PeerOf& of) {
  const std::uint16_t map = of(first()).map;
  const auto index = [&](const Plan& p) { return of(p).index; };
  if (map == 0) return expression(index, first().size);
  if (picture()) return std::to_string(first().rank_of(of(first()), *vars_));
  const auto& table = first().maps[map];
  std::string text;
  for (const std::uint32_t r : table) text += (text.empty() ? "{" : ", ") + std::to_string(r);
  return text + "}[" + expression(index, static_cast<std::uint32_t>(table.size())) + "]";
}

std::string Wording::ref(const RefOf& of) {
  const Ref r = of(first());
  if (r.total == 0) return "nothing";
  const std::uint32_t chunks = first().grids[r.grid].chunks;
  std::string text = name_of(r.buffer);
  if (r.buffer == Buffer::kScratch && first().scratch_slots > 1) {
    const auto slot = [&](const Plan& p) { return of(p).slot; };
    text += "(" + expression(slot, first().scratch_slots) + ")";
  }
  if (r.total == chunks && r.run == r.total) return text;
  text += "[" + expression([&](const Plan& p) { return of(p).first; }, chunks);
  if (r.total > 1) text += ", " + std::to_string(r.total) + " chunks";
  if (r.run != r.total)
    text += " in runs of " + std::to_string(r.run) + ", " + std::to_string(r.stride) + " apart";
  return text + "]";
}

std::string Wording::operand(const OperandOf& of) {
  const Operand o = of(first());
  const auto own = [&] { return ref([&](const Plan& p) { return of(p).ref; }); };
  const auto member = [&] { return peer([&](const Plan& p) { return of(p).peer; }); };
  const bool all = o.peer.map == 0 && o.count == first().size;
  const std::string whom =
      all ? "all ranks" : std::to_string(o.count) + " ranks from " + member() + " on";
  const std::string oneself = picture() ? "" : ", oneself: " + own();
  switch (o.kind) {
    case Operand::Kind::kLocal:
      return own();
    case Operand::Kind::kPeer:
      return (picture() ? "(" : "(from ") + member() + ")";
    case Operand::Kind::kPeers:
      return "Σ (" + whom + oneself + ")";
    case Operand::Kind::kSlots:
      break;
  }
  return "Σ (slots of " + whom + oneself + ")";
}

std::string Wording::combine(std::size_t index) {
  const Step& step = first().steps[index];
  const std::string to = ref([&](const Plan& p) { return p.steps[index].ref; });
  std::string text;
  for (std::uint32_t k = 0; k < step.operand_count; ++k) {
    text += k == 0 ? "" : " + ";
    text += operand([&](const Plan& p) { return p.operands_of(p.steps[index])[k]; });
  }
  if (picture()) return to + " ← " + text;
  const Operand::Kind kind = first().operands_of(step)[0].kind;
  const bool alone = step.operand_count == 1;
  const std::string note = step.finish ? "  (final)" : "";
  if (alone && kind == Operand::Kind::kPeer)
    return "recv    " + to + " " + text.substr(1, text.size() - 2) + note;  // without parentheses
  return (alone && kind == Operand::Kind::kLocal ? "copy    " : "reduce  ") + to + " = " + text +
         note;
}

std::string Wording::step(std::size_t index) {
  const Step& s = first().steps[index];
  const auto whom = [&] { return peer([&](const Plan& p) { return p.steps[index].peer; }); };
  const auto what = [&] { return ref([&](const Plan& p) { return p.steps[index].ref; }); };
  switch (s.op) {
    case Step::Op::kSend:
      return picture() ? what() + " → " + whom() : "send    → " + whom() + ": " + what();
    case Step::Op::kReduce:
      return combine(index);
    case Step::Op::kScale:
      return "scale   " + what() + " = scalar · " +
             operand([&](const Plan& p) { return p.operands_of(p.steps[index])[0]; });
    case Step::Op::kDrain: {
      const std::string which = s.lag == 0 ? "all messages"
                                : s.lag == 1
                                    ? "all but the last message"
                                    : "all but the last " + std::to_string(s.lag) + " messages";
      const std::string lane = first().lanes() > 1 ? " on lane " + std::to_string(s.lane) : "";
      return "drain   until " + whom() + " has read " + which + lane;
    }
    case Step::Op::kSignal:
      return "signal  lane " + std::to_string(s.lane);
    case Step::Op::kWait:
      return "wait    for lane " + std::to_string(s.lane);
    case Step::Op::kLoop:
      return std::string("for ") + (s.depth == 1 ? "i" : "j") +
             (s.trips == 1 ? " = 0:" : " in 0 … " + std::to_string(s.trips - 1) + ":");
    case Step::Op::kTiles:
      return "for each tile:";
    case Step::Op::kEnd:
      break;
  }
  return "";
}

}  // namespace tutti

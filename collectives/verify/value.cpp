#include "collectives/verify/value.h"

#include <bit>
#include <string>
#include <vector>

#include "collectives/verify/broken_rule.h"

namespace tutti::proof {
namespace {

constexpr std::uint64_t kScaled = 0x7363616c65, kFinished = 0x66696e697368, kSummed = 0x73756d;

// The tree of a balanced reduction: the first 2r operands pair up, then a perfect tree over m
// leaves. Rounded at every node, so it is a tree of sums of two.
std::uint64_t balanced(std::span<const Value> operands) {
  const auto sum = [](std::uint64_t x, std::uint64_t y) { return mix(mix(mix(kSummed, 2), x), y); };
  const std::size_t leaves = std::bit_floor(operands.size()), pairs = operands.size() - leaves;
  std::vector<std::uint64_t> level(leaves);
  for (std::size_t k = 0; k < leaves; ++k) {
    level[k] =
        k < pairs ? sum(operands[2 * k].bits, operands[2 * k + 1].bits) : operands[k + pairs].bits;
  }
  for (; level.size() > 1; level.resize(level.size() / 2)) {
    for (std::size_t k = 0; k < level.size() / 2; ++k)
      level[k] = sum(level[2 * k], level[2 * k + 1]);
  }
  return level[0];
}

std::uint64_t folded(std::span<const Value> operands) {
  std::uint64_t bits = mix(kSummed, operands.size());
  for (const Value& v : operands) bits = mix(bits, v.bits);
  return bits;
}

void check_operand(const Value& v, const Value& first, bool pre_scaled) {
  if (v.state == State::kNothing) throw BrokenRule("uses memory that was never written");
  if (v.state == State::kFinal) throw BrokenRule("adds to a value that is final already");
  if (v.state == State::kRaw && pre_scaled)
    throw BrokenRule("adds an input that was not scaled first");
  if (v.element != first.element)
    throw BrokenRule("combines element " + std::to_string(first.element) + " with element " +
                     std::to_string(v.element));
}

}  // namespace

Value combine(std::span<const Value> operands, ReduceShape shape, bool pre_scaled) {
  Value result = operands[0];
  if (operands.size() == 1) {
    if (result.state == State::kNothing) throw BrokenRule("moves memory that was never written");
    return result;
  }
  for (std::size_t k = 0; k < operands.size(); ++k) {
    const Value& v = operands[k];
    check_operand(v, operands[0], pre_scaled);
    if (k == 0) continue;
    result.sum = result.sum + v.sum;
    const bool follows = result.in_order() && v.in_order() && v.first == result.last + 1;
    if (follows) {
      result.last = v.last;
    } else {
      result.first = 1, result.last = 0;
    }
  }
  result.bits = shape == ReduceShape::kBalanced ? balanced(operands) : folded(operands);
  result.state = State::kPartial;
  return result;
}

Value canonical_value(std::uint32_t ranks, bool pre_scaled) {
  std::vector<Value> inputs;
  for (std::uint32_t r = 0; r < ranks; ++r) {
    const Value input = input_of(r, 0);
    inputs.push_back(pre_scaled ? scaled(input, r, pre_scaled) : input);
  }
  return finished(combine(inputs, ReduceShape::kBalanced, pre_scaled), true, pre_scaled);
}

Value finished(Value value, bool rounded, bool pre_scaled) {
  if (value.state == State::kFinal) throw BrokenRule("finishes a value that is final already");
  if (value.state == State::kRaw && pre_scaled)
    throw BrokenRule("finishes an input that was not scaled first");
  value.state = State::kFinal;
  value.bits = mix(mix(kFinished, rounded), value.bits);
  return value;
}

Value scaled(Value value, std::uint32_t rank, bool pre_scaled) {
  if (!pre_scaled) throw BrokenRule("scales the input of an op that has no scaling before");
  if (value.state == State::kNothing) throw BrokenRule("scales memory that was never written");
  if (value.state != State::kRaw) throw BrokenRule("scales a value that is scaled already");
  if (value.sum != fingerprint_of(rank)) throw BrokenRule("scales another rank's input");
  value.state = State::kPartial;
  value.bits = mix(kScaled, value.bits);
  return value;
}

}  // namespace tutti::proof

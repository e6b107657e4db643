// What a piece of memory holds, as far as a proof is concerned.
#pragma once

#include <cstdint>

#include <span>

#include "collectives/hash.h"
#include "kernels/reduce.h"

namespace tutti::proof {

/// A sum of random numbers, one for each contribution.
struct Fingerprint {
  std::uint64_t low = 0, high = 0;

  friend constexpr Fingerprint operator+(Fingerprint x, Fingerprint y) {
    const std::uint64_t sum = x.low + y.low;
    return {sum, x.high + y.high + (sum < x.low)};
  }
  friend constexpr bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

/// The contribution of one rank. Fixed numbers: a proof is repeatable.
constexpr Fingerprint fingerprint_of(std::uint32_t rank) {
  return {mix(0x7475747469206f6e, rank), mix(0x65207475747469, rank)};
}

enum class State : std::uint8_t {
  kNothing,  // never written
  kRaw,      // an input, moved at most
  kPartial,  // scaled or summed, and not yet finished
  kFinal,    // with the op's post-scaling
};

struct Value {
  Fingerprint sum;            // of the ranks in it
  std::uint64_t bits = 0;     // of the tree that made it, in order
  std::uint32_t element = 0;  // the element of the vector that it is (an atom: its first)
  // It is first ∘ … ∘ last in rank order; first > last: it is not.
  std::uint16_t first = 0, last = 0;
  State state = State::kNothing;

  bool in_order() const { return first <= last; }
};

inline Value input_of(std::uint32_t rank, std::uint32_t element) {
  const auto r = static_cast<std::uint16_t>(rank);
  return {fingerprint_of(rank), mix(0, rank), element, r, r, State::kRaw};
}

/// The operands combined in order: one is moved, more are summed. Throws BrokenRule where they must
/// not be: of different elements, never written, final, or raw where `pre_scaled`.
Value combine(std::span<const Value> operands, ReduceShape shape, bool pre_scaled);

/// The value that reproducible mode demands, of all ranks' inputs.
Value canonical_value(std::uint32_t ranks, bool pre_scaled);

/// With the op's scaling after and before. Each happens once: throws BrokenRule otherwise.
/// `rounded`: the value was rounded to the dtype first.
Value finished(Value value, bool rounded, bool pre_scaled);
Value scaled(Value value, std::uint32_t rank, bool pre_scaled);

}  // namespace tutti::proof

// The choice: least predicted seconds among the variants of a collective. Where a machine has
// several regimes, the least worst ratio: the variant that, where it does worst, is closest to the
// best one.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collectives/algorithms.h"
#include "collectives/launch.h"
#include "collectives/price.h"

namespace tutti {

/// All variants that could serve a call, in the table's order, with their prices.
struct Choice {
  struct Candidate {
    Variant variant;
    double seconds = 0;          // in the first regime: what is printed
    std::vector<double> prices;  // by regime, seconds
    double ratio = 1;            // to the best one, in the regime where this one does worst
  };
  std::vector<Candidate> candidates;
  std::size_t chosen = 0;  // index of the least ratio; of equals the fastest, of these the first
};

/// In which order the operands of a call must combine.
enum class Order : std::uint8_t {
  kAny,
  kInRank,     // that of the ranks: the op does not commute
  kCanonical,  // and in the tree of reproducible mode
};

/// What a choice depends on: less than what calls differ by, and alike on all ranks.
struct ChoiceKey {
  Collective collective = Collective::kAllReduce;
  Dtype dtype = Dtype::kF32;
  bool pre_scaled = false;
  Order order = Order::kAny;
  std::int32_t root = 0;
  std::size_t count = 0;

  friend bool operator==(const ChoiceKey&, const ChoiceKey&) = default;
};
ChoiceKey choice_key(const CallKey& key, const ReduceOp& op);

/// Whether a variant combines in the order that a call asks for; throws TUTTI_INVALID if not,
/// naming those that do.
bool serves(const Variant& variant, const ChoiceKey& key, int size);
void require_serves(const Variant& variant, const ChoiceKey& key, int size);

/// One variant and its prices; the ratio is left at 1. A pure function of what all ranks know.
Choice::Candidate priced(const Variant& variant, const ChoiceKey& key, int size,
                         const Conditions& conditions, std::span<const Regime> regimes);

/// A pure function, as priced(), of the variants that serve the call. Throws TUTTI_UNSUPPORTED if
/// there is none.
Choice choose(const ChoiceKey& key, int size, const Conditions& conditions,
              std::span<const Regime> regimes);
/// In the regimes that are shipped for so many ranks.
Choice choose(const ChoiceKey& key, int size, const Conditions& conditions);

/// What a price needs of a call.
Load load_of(const ChoiceKey& key);

/// What the generators are told about a call whose buffers all differ, but for the rank.
Shape shape_of(const ChoiceKey& key, int size);
/// The plans of all ranks; shape.rank and shape.shards are not looked at.
std::vector<Plan> make_plans(const Variant& variant, const Shape& shape);

/// The names that TUTTI_ALGO forces, by collective; empty: not forced.
using ForcedAlgorithms = std::array<std::string, kCollectives>;

/// Reads "all_reduce:ring,broadcast:binomial". Throws TUTTI_INVALID naming the part that is wrong.
ForcedAlgorithms parse_forced(std::string_view text);

}  // namespace tutti

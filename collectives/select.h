// The choice: least predicted seconds among the variants of a collective.
#pragma once

#include <array>
#include <cstddef>
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
    double seconds = 0;
  };
  std::vector<Candidate> candidates;
  std::size_t chosen = 0;  // index of the least price; the first of equals
};

/// A pure function of what all ranks know: of `key`, in_place is not looked at.
Choice choose(const CallKey& key, int size, const Conditions& conditions,
              const Coefficients& coefficients = {});
/// The same under conditions_here(), with the shipped coefficients.
Choice choose(const CallKey& key, int size, std::size_t scratch_bytes);

/// Ranks on all cores of this host. `scratch_bytes` is the transport's.
Conditions conditions_here(std::size_t scratch_bytes);

/// What a price needs of a call.
Load load_of(const CallKey& key);

/// What the generators are told about a call whose buffers all differ, but for the rank.
Shape shape_of(const CallKey& key, int size);
/// The plans of all ranks; shape.rank and shape.shards are not looked at.
std::vector<Plan> make_plans(const Variant& variant, const Shape& shape);

/// The names that TUTTI_ALGO forces, by collective; empty: not forced.
using ForcedAlgorithms = std::array<std::string, kCollectives>;

/// Reads "all_reduce:ring,broadcast:binomial". Throws TUTTI_INVALID naming the part that is wrong.
ForcedAlgorithms parse_forced(std::string_view text);

}  // namespace tutti

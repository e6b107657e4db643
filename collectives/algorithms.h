// The table of algorithms, and from there to plans.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collectives/collective.h"
#include "collectives/plan.h"

namespace tutti {

/// One row: a generator and what may be set about it.
struct Algorithm {
  Collective collective;
  std::string_view name;
  Plan (*generate)(const Shape& shape);  // shape.size ≥ 2
  bool takes_shards = false;             // has variants name/shards=k
};

std::span<const Algorithm> algorithms();

/// An algorithm with its parameters: what is chosen, timed and named by name[/key=value…].
struct Variant {
  const Algorithm* algorithm = nullptr;
  int shards = 1;

  std::string name() const;
  friend bool operator==(const Variant&, const Variant&) = default;
};

/// All variants of a collective worth trying at this size, in the table's order; equal data flows
/// are listed once.
std::vector<Variant> variants(Collective collective, int size);

/// The variant that a name means. Throws TUTTI_NOT_FOUND, naming those that exist.
Variant variant_named(Collective collective, std::string_view name, int size);

/// One rank's plan; the blocks of `shape` are those of the collective. A world of one gets a copy
/// from input to output, whatever the algorithm.
Plan make_plan(const Variant& variant, const Shape& shape);

}  // namespace tutti

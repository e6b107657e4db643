#include "collectives/select.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "kernels/error.h"

namespace tutti {
namespace {

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

Collective collective_named(std::string_view name, const std::string& part) {
  std::string known;
  for (int c = 0; c < kCollectives; ++c) {
    const auto collective = static_cast<Collective>(c);
    if (name_of(collective) == name) return collective;
    known += (c == 0 ? "" : ", ") + std::string(name_of(collective));
  }
  throw Error(TUTTI_INVALID, "TUTTI_ALGO: in " + in_quotes(part) + ": unknown collective " +
                                 in_quotes(name) + "; known: " + known);
}

// Parameters after a slash depend on the number of ranks: variant_named() checks them in the call.
void check_algorithm(Collective collective, std::string_view name, const std::string& part) {
  const std::string_view base = name.substr(0, name.find('/'));
  std::string known;
  for (const Algorithm& a : algorithms()) {
    if (a.collective != collective) continue;
    if (a.name == base) return;
    known += (known.empty() ? "" : ", ") + std::string(a.name);
  }
  throw Error(TUTTI_INVALID, "TUTTI_ALGO: in " + in_quotes(part) + ": " +
                                 std::string(name_of(collective)) + " has no algorithm " +
                                 in_quotes(base) + "; known: " + known);
}

void parse_part(const std::string& part, ForcedAlgorithms& forced) {
  const std::size_t colon = part.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == part.size()) {
    throw Error(TUTTI_INVALID, "TUTTI_ALGO: " + in_quotes(part) +
                                   " is not COLLECTIVE:ALGORITHM, as in all_reduce:ring");
  }
  const Collective collective = collective_named(part.substr(0, colon), part);
  const std::string name = part.substr(colon + 1);
  check_algorithm(collective, name, part);
  std::string& entry = forced[static_cast<std::size_t>(collective)];
  if (!entry.empty()) {
    throw Error(TUTTI_INVALID, "TUTTI_ALGO: " + in_quotes(part) + ": " +
                                   std::string(name_of(collective)) + " is already forced to " +
                                   in_quotes(entry));
  }
  entry = name;
}

}  // namespace

std::vector<Plan> make_plans(const Variant& variant, const Shape& shape) {
  std::vector<Plan> plans;
  plans.reserve(static_cast<std::size_t>(shape.size));
  Shape one = shape;
  one.shards = variant.shards;
  for (one.rank = 0; one.rank < one.size; ++one.rank) plans.push_back(make_plan(variant, one));
  return plans;
}

ChoiceKey choice_key(const CallKey& key, const ReduceOp& op) {
  return {.collective = key.collective,
          .dtype = key.dtype,
          .pre_scaled = op.pre_scaled,
          .order = key.reproducible  ? Order::kCanonical
                   : !op.commutative ? Order::kInRank
                                     : Order::kAny,
          .root = key.root,
          .count = key.count};
}

Load load_of(const ChoiceKey& key) {
  const bool moves = traits_of(key.collective).output != Extent::kNone;
  return {.count = moves ? key.count : 0, .dtype = key.dtype};
}

Shape shape_of(const ChoiceKey& key, int size) {
  return {.collective = key.collective,
          .size = size,
          .root = key.root,
          .pre_scaled = key.pre_scaled,
          .reproducible = key.order == Order::kCanonical};
}

// All ranks' plans have the same labels.
bool serves(const Variant& variant, const ChoiceKey& key, int size) {
  if (key.order == Order::kAny) return true;
  Shape shape = shape_of(key, size);
  shape.shards = variant.shards;
  const Plan plan = make_plan(variant, shape);
  return key.order == Order::kCanonical ? plan.canonical : plan.in_order;
}

void require_serves(const Variant& variant, const ChoiceKey& key, int size) {
  if (serves(variant, key, size)) return;
  std::string others;
  for (const Variant& other : variants(key.collective, size))
    if (serves(other, key, size)) others += (others.empty() ? "" : ", ") + other.name();
  throw Error(TUTTI_INVALID,
              "algorithm " + variant.name() +
                  (key.order == Order::kCanonical
                       ? " does not combine in the canonical tree of reproducible mode"
                       : " does not combine in rank order, which an op needs that does not "
                         "commute") +
                  (others.empty() ? "; none does" : "; those that do: " + others));
}

Choice::Candidate priced(const Variant& variant, const ChoiceKey& key, int size,
                         const Conditions& conditions, std::span<const Regime> regimes) {
  const std::vector<Plan> plans = make_plans(variant, shape_of(key, size));
  Choice::Candidate candidate{.variant = variant, .prices = {}};
  for (const Regime& regime : regimes) {
    Conditions there = conditions;
    there.registered = regime.registered;
    candidate.prices.push_back(price(plans, load_of(key), there, regime.coefficients));
  }
  candidate.seconds = candidate.prices[0];
  return candidate;
}

Choice choose(const ChoiceKey& key, int size, const Conditions& conditions,
              std::span<const Regime> regimes) {
  Choice choice;
  std::vector<double> best(regimes.size(), std::numeric_limits<double>::infinity());
  for (const Variant& variant : variants(key.collective, size)) {
    if (!serves(variant, key, size)) continue;
    choice.candidates.push_back(priced(variant, key, size, conditions, regimes));
    for (std::size_t k = 0; k < regimes.size(); ++k)
      best[k] = std::min(best[k], choice.candidates.back().prices[k]);
  }
  if (choice.candidates.empty()) {
    throw Error(TUTTI_UNSUPPORTED,
                "no algorithm of " + std::string(name_of(key.collective)) + " combines " +
                    (key.order == Order::kCanonical ? "in the canonical tree of reproducible mode"
                                                    : "in rank order"));
  }
  for (Choice::Candidate& c : choice.candidates)
    for (std::size_t k = 0; k < regimes.size(); ++k)
      c.ratio = std::max(c.ratio, c.prices[k] / best[k]);
  const auto least = std::min_element(
      choice.candidates.begin(), choice.candidates.end(), [](const auto& a, const auto& b) {
        return std::pair(a.ratio, a.seconds) < std::pair(b.ratio, b.seconds);
      });
  choice.chosen = static_cast<std::size_t>(least - choice.candidates.begin());
  return choice;
}

Choice choose(const ChoiceKey& key, int size, const Conditions& conditions) {
  return choose(key, size, conditions, shipped_regimes(size));
}

ForcedAlgorithms parse_forced(std::string_view text) {
  ForcedAlgorithms forced;
  if (text.empty()) return forced;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parse_part(std::string(text.substr(begin, end - begin)), forced);
    begin = end + 1;
  }
  return forced;
}

}  // namespace tutti

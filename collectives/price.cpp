#include "collectives/price.h"

#include <algorithm>
#include <limits>

#include "collectives/geometry.h"
#include "collectives/price_costs.h"
#include "collectives/price_walk.h"

namespace tutti {
namespace {

// Two back-to-back calls: what the second adds is the time per call, because ranks that are done
// early are already at work on the next one.
constexpr int kCalls = 2;

struct Period {
  double seconds = 0, dram_bytes = 0;
};

/// Of a call of which only the first `walked` of `tiles` tiles are walked.
Period period(std::span<const Plan> plans, const Load& load, std::uint32_t tiles,
              std::uint32_t walked, const Conditions& conditions, const Coefficients& c) {
  const StepCosts costs(load, static_cast<int>(plans.size()), tiles, plans[0].scratch_slots,
                        conditions, c);
  const double share = static_cast<double>(walked) / tiles;
  const std::size_t count = walked == tiles
                                ? load.count
                                : static_cast<std::size_t>(static_cast<double>(load.count) * share);
  const WalkResult r = walk({.plans = plans,
                             .count = count,
                             .element_bytes = size_of(load.dtype),
                             .trips = walked,
                             .calls = kCalls},
                            costs, conditions, c);
  if (!r.finished) return {std::numeric_limits<double>::infinity(), 0};
  return {(r.ends_s[kCalls - 1] - r.ends_s[0]) / (kCalls - 1), r.dram_bytes / kCalls};
}

/// How many tiles to walk at most: the price is linear in them soon after the pipeline has filled.
/// Many ranks make each tile expensive.
std::uint32_t most_tiles(std::size_t ranks) { return ranks <= 16 ? 4 : 2; }

}  // namespace

double price(std::span<const Plan> plans, const Load& load, const Conditions& conditions,
             const Coefficients& c) {
  const std::uint32_t tiles = trips_for(plans[0], load.count, size_of(load.dtype),
                                        conditions.scratch_bytes, conditions.tile_bytes);
  const std::uint32_t most = std::min(tiles, most_tiles(plans.size()));
  Period p = period(plans, load, tiles, most, conditions, c);
  if (tiles > most) {
    const Period half = period(plans, load, tiles, most / 2, conditions, c);
    const double more = static_cast<double>(tiles - most) / (most - most / 2);
    p.seconds += std::max(0.0, p.seconds - half.seconds) * more;
    p.dram_bytes += (p.dram_bytes - half.dram_bytes) * more;
  }
  return std::max(p.seconds, p.dram_bytes * c.dram_s_per_byte);
}

// Each part is what the price loses when its coefficients become zero, one kind after the other.
PriceParts price_parts(std::span<const Plan> plans, const Load& load, const Conditions& conditions,
                       const Coefficients& coefficients) {
  Coefficients c = coefficients;
  Conditions enough = conditions;
  const double all = price(plans, load, conditions, c);
  enough.cores = static_cast<int>(plans.size());
  const double unshared = std::min(all, price(plans, load, enough, c));
  c.read = c.write = c.reclaim = {};
  c.combine_s_per_byte = {};
  const double unreduced = std::min(unshared, price(plans, load, enough, c));
  c.peer_read = c.cross_read = c.stage = {};
  c.dram_s_per_byte = c.cross_call_s = 0;
  const double latency = std::min(unreduced, price(plans, load, enough, c));
  return {.latency_s = latency,
          .movement_s = unreduced - latency,
          .reduction_s = unshared - unreduced,
          .sharing_s = all - unshared};
}

}  // namespace tutti

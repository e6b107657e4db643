#include "collectives/price.h"

#include <algorithm>
#include <array>
#include <limits>

#include "collectives/geometry.h"
#include "collectives/price/costs.h"
#include "collectives/price/walk.h"

namespace tutti {
namespace {

// What the second of two back-to-back calls adds is the time per call, because ranks that are done
// early are already at work on the next one. Of very many ranks one call must do.
int calls_of(std::size_t ranks) { return ranks <= 128 ? 2 : 1; }

// Above this only one regime is priced: at 64 ranks that takes about 20 ms.
constexpr int kManyRanks = 16;

struct Period {
  double seconds = 0, dram_bytes = 0;
};

/// Of a call of which only the first `walked` of `tiles` tiles are walked.
Period period(std::span<const Plan> plans, const Load& load, std::uint32_t tiles,
              std::uint32_t walked, const Conditions& conditions, const Coefficients& c) {
  const StepCosts costs(load, plans, tiles, conditions, c);
  const int calls = calls_of(plans.size());
  const double share = static_cast<double>(walked) / tiles;
  const std::size_t count = walked == tiles
                                ? load.count
                                : static_cast<std::size_t>(static_cast<double>(load.count) * share);
  const predict::WalkResult r = predict::walk({.plans = plans,
                                               .count = count,
                                               .element_bytes = size_of(load.dtype),
                                               .trips = walked,
                                               .calls = calls},
                                              costs, conditions, c);
  if (!r.finished) return {std::numeric_limits<double>::infinity(), 0};
  return {calls == 2 ? r.ends_s[1] - r.ends_s[0] : r.ends_s[0], r.dram_bytes / calls};
}

Coefficients far_cores() {
  Coefficients c;
  c.far = true;
  c.line_s = 250e-9;
  c.view_s = 180e-9;
  c.cross_call_s = 450e-9;
  c.peer_read = {80e-12, 98e-12, 110e-12};
  c.cross_read = {180e-12, 230e-12, 330e-12};
  c.stage = {310e-12, 310e-12, 310e-12};
  c.reclaim = {390e-12, 270e-12, 0};
  return c;
}

/// How many tiles to walk at most: the price is linear in them soon after the pipeline has filled,
/// which takes a window where lanes run ahead of each other. Many ranks make each tile expensive.
std::uint32_t most_tiles(std::span<const Plan> plans, const Conditions& conditions) {
  if (plans.size() > 128) return 1;
  if (plans.size() > 16) return 2;
  const bool one_lane =
      std::all_of(plans.begin(), plans.end(), [](const Plan& plan) { return plan.lanes() == 1; });
  return one_lane ? 4 : 2 * conditions.caps.window;
}

}  // namespace

std::span<const Regime> shipped_regimes(int ranks) {
  static const std::array<Regime, 4> kRegimes = {
      Regime{"near cores", {}, false},
      Regime{"near cores and registered memory", {}, true},
      Regime{"far cores", far_cores(), false},
      Regime{"far cores and registered memory", far_cores(), true},
  };
  return ranks > kManyRanks ? std::span(kRegimes).first(1) : std::span(kRegimes);
}

double price(std::span<const Plan> plans, const Load& load, const Conditions& conditions,
             const Coefficients& c) {
  const std::uint32_t tiles = trips_for(plans[0], load.count, size_of(load.dtype),
                                        conditions.caps.scratch_bytes, conditions.tile_bytes);
  const std::uint32_t most = std::min(tiles, most_tiles(plans, conditions));
  Period p = period(plans, load, tiles, most, conditions, c);
  if (tiles > most) {
    Period half;
    const std::uint32_t fewer = most / 2;
    if (fewer > 0) half = period(plans, load, tiles, fewer, conditions, c);
    const double more = static_cast<double>(tiles - most) / (most - fewer);
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
  enough.caps.cpus = static_cast<int>(plans.size());
  const double unshared = std::min(all, price(plans, load, enough, c));
  c.read = c.write = c.reclaim = {};
  c.combine_s_per_byte = {};
  const double unreduced = std::min(unshared, price(plans, load, enough, c));
  c.peer_read = c.cross_read = c.stage = c.stream = {};
  c.dram_s_per_byte = c.cross_call_s = 0;
  const double latency = std::min(unreduced, price(plans, load, enough, c));
  return {.latency_s = latency,
          .movement_s = unreduced - latency,
          .reduction_s = unshared - unreduced,
          .sharing_s = all - unshared};
}

}  // namespace tutti

#include "collectives/explain.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "kernels/names.h"

namespace tutti {
namespace {

std::string formatted(const char* format, double value, const char* unit) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, value, unit);
  return text.data();
}

// Left-aligned in the first column, right-aligned in the others.
std::string padded(const std::string& text, std::size_t width, bool left) {
  const std::string space(width > text.size() ? width - text.size() : 0, ' ');
  return left ? text + space : space + text;
}

std::string heading(const Explanation& e) {
  const std::uint64_t bytes = e.key.count * size_of(e.key.dtype);
  const CollectiveTraits& traits = traits_of(e.key.collective);
  std::string text(traits.name);
  if (traits.output != Extent::kNone) {
    text += " of " + bytes_text(bytes) + " (" + std::to_string(e.key.count) + " " +
            std::string(name_of(e.key.dtype));
    if (traits.reduces) text += ", " + op_name(e.key.op);
    if (traits.rooted) text += ", root " + std::to_string(e.key.root);
    if (e.key.reproducible) text += ", reproducible";
    text += ")";
  }
  return text + " on " + std::to_string(e.size) + (e.size == 1 ? " rank, " : " ranks, ") +
         std::to_string(e.conditions.caps.cpus) +
         (e.conditions.caps.cpus == 1 ? " core" : " cores");
}

/// A ratio to the best, as what it is more: "3.1 %".
std::string percent(double ratio) { return formatted("%.1f%s", 100 * (ratio - 1), " %"); }

using Cells = std::vector<std::string>;

const Cells kHeader = {"  algorithm", "predicted", "latency", "movement", "reduction", "sharing",
                       "at worst",    "messages",  "bytes",   "tiles",    "order"};

Cells cells_of(const Explanation::Row& row) {
  return {(row.chosen ? "* " : "  ") + row.variant.name(),
          time_text(row.seconds),
          time_text(row.parts.latency_s),
          time_text(row.parts.movement_s),
          time_text(row.parts.reduction_s),
          time_text(row.parts.sharing_s),
          "+" + percent(row.ratio),
          std::to_string(row.traffic.messages),
          bytes_text(row.traffic.bytes),
          std::to_string(row.traffic.tiles),
          row.labels()};
}

std::string regime_names(const Explanation& e) {
  std::string names;
  for (const Regime& regime : e.regimes)
    names += (names.empty() ? "" : "; ") + std::string(regime.name);
  return names;
}

std::string table(const std::vector<Cells>& rows) {
  std::vector<std::size_t> widths(rows[0].size());
  for (const Cells& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const Cells& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c)
      text += (c == 0 ? "" : "  ") + padded(row[c], widths[c], c == 0);
    text += "\n";
  }
  return text;
}

struct Difference {
  double seconds;
  const char* less;
  const char* more;
};

std::array<Difference, 4> differences(const PriceParts& winner, const PriceParts& other) {
  std::array<Difference, 4> all = {
      Difference{other.latency_s - winner.latency_s, "it has fewer or shorter waits",
                 "longer latency"},
      Difference{other.movement_s - winner.movement_s, "it moves bytes between ranks faster",
                 "slower movement"},
      Difference{other.reduction_s - winner.reduction_s, "its ranks spend less on reducing",
                 "dearer reduction"},
      Difference{other.sharing_s - winner.sharing_s, "its ranks take fewer turns on the cores",
                 "more turns on the cores"}};
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  return all;
}

/// Of more tiles than this the others are taken to be like these, so that petabytes are explained
/// as fast as kilobytes.
constexpr std::uint32_t kCountedTiles = 256;

/// What one rank does.
struct RankTraffic {
  std::uint64_t messages = 0, sent = 0, received = 0, reduced = 0;
};

void count_receives(const Plan& plan, const Step& step, const LoopVars& vars, std::uint64_t bytes,
                    RankTraffic& rank) {
  std::uint64_t operands = 0;
  for (const Operand& o : plan.operands_of(step)) {
    operands += o.count;
    if (!o.is_message()) continue;
    for (std::uint32_t m = 0; m < o.count; ++m)
      if (plan.rank_of(o.peer, vars, m) != plan.rank) rank.received += bytes;
  }
  if (operands > 1) rank.reduced += (operands - 1) * bytes;
}

RankTraffic count_rank(const Plan& plan, const Load& load, std::uint32_t tiles) {
  const Geometry geometry(plan, load.count, tiles);
  RankTraffic rank;
  for (int l = 0; l < plan.lanes(); ++l) {
    LaneCursor cursor(plan, l, tiles);
    for (; const Step* step = cursor.step(); cursor.advance()) {
      if (step->op > Step::Op::kReduce) continue;
      const std::uint64_t bytes = geometry.count_of(step->ref, cursor.vars()) * size_of(load.dtype);
      if (step->op == Step::Op::kSend) {
        ++rank.messages;
        rank.sent += bytes;
      } else {
        count_receives(plan, *step, cursor.vars(), bytes, rank);
      }
    }
  }
  return rank;
}

}  // namespace

Traffic traffic_of(std::span<const Plan> plans, const Load& load, const Conditions& conditions) {
  Traffic busiest;
  busiest.tiles = trips_for(plans[0], load.count, size_of(load.dtype),
                            conditions.caps.scratch_bytes, conditions.tile_bytes);
  const std::uint32_t counted = std::min(busiest.tiles, kCountedTiles);
  const double scale = static_cast<double>(busiest.tiles) / counted;
  const auto scaled = [scale](std::uint64_t x) {
    return scale == 1 ? x
                      : static_cast<std::uint64_t>(std::llround(static_cast<double>(x) * scale));
  };
  Load part = load;
  if (scale != 1) part.count = static_cast<std::size_t>(static_cast<double>(load.count) / scale);
  for (const Plan& plan : plans) {
    const RankTraffic rank = count_rank(plan, part, counted);
    busiest.messages = std::max(busiest.messages, scaled(rank.messages));
    busiest.bytes = std::max({busiest.bytes, scaled(rank.sent), scaled(rank.received)});
    busiest.reduced_bytes = std::max(busiest.reduced_bytes, scaled(rank.reduced));
  }
  return busiest;
}

Explanation explain(const CallKey& call, int size, const Conditions& conditions) {
  const std::span<const Regime> regimes = shipped_regimes(size);
  Explanation e{
      .key = call, .size = size, .conditions = conditions, .regimes = regimes, .rows = {}};
  const ChoiceKey key = choice_key(call, {});
  const Choice choice = choose(key, size, conditions, regimes);
  const Load load = load_of(key);
  const bool reduces = traits_of(call.collective).reduces;
  ChoiceKey reproducible = key;
  reproducible.order = Order::kCanonical;
  Conditions there = conditions;
  there.registered = regimes[0].registered;
  for (std::size_t k = 0; k < choice.candidates.size(); ++k) {
    const Choice::Candidate& c = choice.candidates[k];
    const std::vector<Plan> plans = make_plans(c.variant, shape_of(key, size));
    e.rows.push_back({.variant = c.variant,
                      .seconds = c.seconds,
                      .prices = c.prices,
                      .ratio = c.ratio,
                      .parts = price_parts(plans, load, there, regimes[0].coefficients),
                      .traffic = traffic_of(plans, load, conditions),
                      .in_order = reduces && plans[0].in_order,
                      .canonical = reduces && serves(c.variant, reproducible, size),
                      .chosen = k == choice.chosen});
  }
  std::stable_sort(e.rows.begin(), e.rows.end(), [](const auto& a, const auto& b) {
    return std::pair(a.ratio, a.seconds) < std::pair(b.ratio, b.seconds);
  });
  return e;
}

std::string Explanation::Row::labels() const {
  const std::string text = in_order ? "in-order" : "";
  return canonical ? text + (text.empty() ? "canonical" : ", canonical") : text;
}

std::string reason_text(const Explanation& e) {
  const Explanation::Row& winner = e.rows[0];
  const std::string name = winner.variant.name();
  if (e.rows.size() == 1) return name + " is the only one there is.";
  const Explanation::Row& other = e.rows[1];
  const std::string rival = other.variant.name();
  if (other.ratio - winner.ratio < 0.0005)
    return name + " and " + rival + " are predicted to do equally well; the first is taken.";
  const double gain = 100 * (1 - winner.seconds / other.seconds);
  if (gain < 0.05) {
    return name + " loses at most " + percent(winner.ratio) + " in any regime, while " + rival +
           " may lose " + percent(other.ratio) + ".";
  }
  const auto all = differences(winner.parts, other.parts);
  std::string text = name + " is predicted to take " + formatted("%.1f%s", gain, " %") +
                     " less than " + rival + ": " + all[0].less + " (" + time_text(all[0].seconds) +
                     ")";
  const Difference& worst = all.back();
  if (worst.seconds < -0.01 * other.seconds)
    text += std::string(", which outweighs ") + worst.more + " (" + time_text(-worst.seconds) + ")";
  return text + ".";
}

std::string explanation_text(const Explanation& e, const std::vector<std::string>& only) {
  std::vector<Cells> rows = {kHeader};
  for (const Explanation::Row& row : e.rows) {
    if (only.empty() || std::find(only.begin(), only.end(), row.variant.name()) != only.end())
      rows.push_back(cells_of(row));
  }
  return heading(e) + "\n\n" + table(rows) + "\nPredicted for " + std::string(e.regimes[0].name) +
         "; at worst: beyond the best, whichever of these it is: " + regime_names(e) +
         ".\nChosen (*): " + reason_text(e) + "\n";
}

std::string time_text(double seconds) {
  if (seconds >= 1) return formatted("%.2f %s", seconds, "s");
  if (seconds >= 1e-3) return formatted("%.2f %s", seconds * 1e3, "ms");
  if (seconds >= 1e-6) return formatted("%.2f %s", seconds * 1e6, "us");
  return formatted("%.0f %s", seconds * 1e9, "ns");
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  const bool whole = value == std::floor(value);
  return formatted(whole ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
}

}  // namespace tutti

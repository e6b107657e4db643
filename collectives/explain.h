// Why a call is served as it is: the candidates, taken apart, and what decides between them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "collectives/select.h"

namespace tutti {

/// What the busiest rank does in one call; of hundreds of tiles, rounded.
struct Traffic {
  std::uint64_t messages = 0;       // that it sends
  std::uint64_t bytes = 0;          // that it sends or receives, whichever is more
  std::uint64_t reduced_bytes = 0;  // of operands beyond the first of each reduction
  std::uint32_t tiles = 1;
};
Traffic traffic_of(std::span<const Plan> plans, const Load& load, const Conditions& conditions);

struct Explanation {
  struct Row {
    Variant variant;
    double seconds = 0;          // in the first regime, and its parts
    std::vector<double> prices;  // by regime
    double ratio = 1;            // see Choice::Candidate
    PriceParts parts;
    Traffic traffic;
    bool in_order = false;   // combines in rank order
    bool canonical = false;  // serves reproducible calls
    bool chosen = false;

    /// "in-order, canonical", as far as it is; empty where nothing is reduced.
    std::string labels() const;
  };

  CallKey key;
  int size = 1;
  Conditions conditions;
  std::span<const Regime> regimes;
  std::vector<Row> rows;  // the chosen one first, then by their ratio
};

/// Takes all candidates of a call apart: a price a regime and four more for each. The op is a
/// predefined one.
Explanation explain(const CallKey& call, int size, const Conditions& conditions);

/// Heading, table, and the reason in words. `only`: names of the rows to show; empty: all.
std::string explanation_text(const Explanation& explanation,
                             const std::vector<std::string>& only = {});

/// Why the first row beats the second: "two_shot is predicted to take 9 % less than ring: …".
std::string reason_text(const Explanation& explanation);

/// "1.50 us", "64 MiB": for people.
std::string time_text(double seconds);
std::string bytes_text(std::uint64_t bytes);

}  // namespace tutti

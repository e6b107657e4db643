// The two ends of a group: which cells it has, and what is told of them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "perf/group.h"
#include "perf/statistics.h"
#include "tools/options.h"

namespace tutti {
namespace {

/// Microseconds to a tenth of a nanosecond: more digits than any clock here has.
double rounded_us(double seconds) { return std::round(seconds * 1e10) / 1e4; }

double rounded_share(double share) { return std::round(share * 1e4) / 1e4; }

double gigabytes_per_s(std::size_t bytes, double seconds) {
  return seconds > 0 ? rounded_share(static_cast<double>(bytes) / seconds / 1e9) : 0;
}

std::string_view family(std::string_view algorithm) {
  return algorithm.substr(0, algorithm.find('/'));
}

}  // namespace

void Group::list_cells() {
  const std::string& mode = settings_.algorithms[0];
  std::vector<std::string> candidates;
  for (std::size_t index = 0;; ++index) {
    tutti_candidate_info info = TUTTI_CANDIDATE_INFO_INIT;
    const tutti_status status =
        tutti_candidate(of_.call.collective->value, of_.call.count, of_.call.dtype, of_.call.op,
                        context_.comm, index, &info);
    if (status == TUTTI_NOT_FOUND) break;
    require(status, context_.comm);
    candidates.emplace_back(info.name);
    const bool named =
        std::ranges::find(settings_.algorithms, info.name) != settings_.algorithms.end();
    if (mode == "all" || named || (mode == "auto" && info.chosen != 0)) {
      Cell cell;
      cell.algorithm = info.name;
      cell.predicted_s = info.predicted_s;
      cell.chosen = info.chosen != 0;
      add_cells(cell);
    }
  }
  if (settings_.reproducible && of_.call.collective->reduces && !of_.call.collective->scans) {
    Cell cell;
    cell.algorithm = kReproducible;
    cell.reproducible = true;
    add_cells(cell);
  }
  if (mode == "all" || mode == "auto") return;
  for (const std::string& name : settings_.algorithms)
    if (std::ranges::find(candidates, name) == candidates.end()) list_named(name, candidates);
}

void Group::add_cells(Cell cell) {
  if (!of_.call.collective->moves_data()) {
    cells_.push_back(cell);
    return;
  }
  for (const bool registered : listed(settings_.registered)) {
    for (const bool in_place : listed(settings_.in_place)) {
      if (in_place && !of_.call.collective->has_in_place_form()) continue;
      cell.registered = registered;
      cell.in_place = in_place;
      cells_.push_back(cell);
    }
  }
}

/// With other parameters than the candidates have an algorithm is measured, but not predicted. One
/// that does not serve this call (more shards than ranks) is skipped aloud. A name that means
/// nothing is an error.
void Group::list_named(const std::string& name, const std::vector<std::string>& candidates) {
  const bool exists = std::ranges::any_of(
      candidates, [&](const std::string& candidate) { return family(candidate) == family(name); });
  if (!exists)
    throw UsageError(fmt::format("--algo: {} has no algorithm '{}'; it has {}",
                                 of_.call.collective->name, name, fmt::join(candidates, ", ")));
  if (serves(of_.call, context_.comm, name.c_str())) {
    Cell cell;
    cell.algorithm = name;
    add_cells(cell);
  } else if (context_.rank == 0) {
    context_.sink->note(fmt::format("skipped: {} bytes, {} ranks, {}: not one of {}", of_.bytes,
                                    context_.ranks, name, fmt::join(candidates, ", ")));
  }
}

OverlapResult Group::overlap_of(const Cell& cell) {
  const auto median_s = [&](double OverlapTimes::*time) {
    std::vector<double> values;
    for (const OverlapTimes& times : cell.overlaps) values.push_back(times.*time);
    return median(values);
  };
  const double compute_s = median_s(&OverlapTimes::compute_s);
  const double communication_s = median_s(&OverlapTimes::communication_s);
  const double both_s = median_s(&OverlapTimes::both_s);
  const double hidden_s = compute_s + communication_s - both_s;
  const double share = hidden_s / std::min(compute_s, communication_s);
  return {.compute_us = rounded_us(compute_s),
          .communication_us = rounded_us(communication_s),
          .both_us = rounded_us(both_s),
          .hidden = rounded_share(std::clamp(share, 0.0, 1.0))};
}

CellResult Group::result_of(const Cell& cell) const {
  const double time_s = median(cell.turns_s);
  const CollectiveName& collective = *of_.call.collective;
  const double limit = limit_s(traffic_s_[cell.in_place ? 1 : 0], context_.ranks, line_ns_[0]);
  CellResult result;
  result.collective = collective.name;
  result.algorithm = cell.algorithm;
  result.chosen = cell.chosen;
  result.ranks = context_.ranks;
  result.bytes = of_.bytes;
  result.count = of_.call.count;
  result.dtype = collective.moves_data() ? of_.arithmetic.dtype->name : "none";
  result.op = of_.arithmetic.op != nullptr ? of_.arithmetic.op->name : "none";
  result.in_place = cell.in_place;
  result.registered = cell.registered;
  result.time_us = rounded_us(time_s);
  if (cell.predicted_s) result.predicted_us = rounded_us(*cell.predicted_s);
  result.p50_us = rounded_us(median(cell.samples_s));
  if (const auto p99_s = percentile_99(cell.samples_s)) result.p99_us = rounded_us(*p99_s);
  result.min_us = rounded_us(*std::ranges::min_element(cell.samples_s));
  std::ranges::transform(cell.samples_s, std::back_inserter(result.samples_us), rounded_us);
  result.algbw_GBps = gigabytes_per_s(of_.bytes, time_s);
  result.busbw_GBps = rounded_share(result.algbw_GBps * bus_factor(collective, context_.ranks));
  if (limit > 0) {
    result.limit_us = rounded_us(limit);
    result.limit_share = rounded_share(limit / time_s);
  }
  result.wrong = static_cast<std::size_t>(cell.wrong);
  result.line_ns = {line_ns_[0], line_ns_[1]};
  if (!cell.overlaps.empty()) result.overlap = overlap_of(cell);
  return result;
}

SkippedCell Group::skipped_of(const Cell& cell) const {
  SkippedCell skipped;
  skipped.collective = of_.call.collective->name;
  skipped.algorithm = cell.algorithm;
  skipped.ranks = context_.ranks;
  skipped.bytes = of_.bytes;
  skipped.dtype = of_.call.collective->moves_data() ? of_.arithmetic.dtype->name : "none";
  skipped.op = of_.arithmetic.op != nullptr ? of_.arithmetic.op->name : "none";
  skipped.in_place = cell.in_place;
  skipped.registered = cell.registered;
  skipped.reason = cell.skipped;
  return skipped;
}

void Group::report() {
  std::vector<CellResult> results;
  std::vector<SkippedCell> skipped;
  for (const Cell& cell : cells_) {
    if (!cell.skipped.empty()) {
      skipped.push_back(skipped_of(cell));
      continue;
    }
    results.push_back(result_of(cell));
    context_.measured_cells += 1;
    context_.reduced_cells += cell.plan.reduced ? 1U : 0U;
  }
  context_.sink->cells(results, skipped);
}

}  // namespace tutti

// The table that people read: nccl-tests' columns first, then what it does not have.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "perf/machine.h"
#include "perf/results.h"
#include "perf/settings.h"

namespace tutti {

/// Lines that begin with '#': what was asked, and of which machine.
std::string table_preamble(const MachineFacts& machine, const SweepSettings& settings);

/// Who takes part, and the columns' heads.
std::string table_heading(const WorldFacts& world, const std::string& host);

/// One row per algorithm and kind of memory: out of place and in place side by side.
std::string table_rows(const std::vector<CellResult>& results, const SweepSettings& settings);

/// One line per cell whose overlap was measured.
std::string table_overlaps(const std::vector<CellResult>& results);

/// What reproducible calls cost, where they were measured: their time over that of the chosen
/// algorithm, in each form.
std::string reproducible_cost(const std::vector<CellResult>& results);

/// One line per cell that was not measured.
std::string table_skipped(const std::vector<SkippedCell>& skipped);

/// Times with the algorithms as columns, the chosen one marked; empty for fewer than two
/// algorithms.
std::string algorithm_matrix(const std::vector<CellResult>& results);

/// Totals, the limit explained, and notes.
std::string table_footer(const std::vector<CellResult>& results,
                         const std::vector<std::string>& notes);

}  // namespace tutti

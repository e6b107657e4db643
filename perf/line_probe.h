// How far apart the cores of ranks 0 and 1 are at this moment: the time of a cache line there and
// back. On virtual machines it changes under one's feet, and mid-size results with it two- to
// fourfold, so no figure is worth much without it.
#pragma once

#include <optional>
#include <string_view>

#include "perf/board.h"
#include "perf/cpus.h"

namespace tutti {

/// Nanoseconds, the best of several batches; none with one rank or one core. Collective; ranks 0
/// and 1 are pinned to `cpus` 0 and 1 meanwhile, the others sleep.
std::optional<double> probe_line(Board& board, int rank, const CpuList& cpus);

/// "near" where the two cores share a cache, "far" where they do not: a guess from the time, which
/// is 50 to 120 ns on one kind and 300 to 500 on the other.
std::string_view line_state(double line_ns);

}  // namespace tutti

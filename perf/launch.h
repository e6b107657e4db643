// Starting the ranks of a sweep.
#pragma once

#include <string_view>
#include <vector>

#include "perf/results.h"
#include "perf/settings.h"

namespace tutti {

inline constexpr int kMostRanks = 1024;

/// `tutti perf --worker FD SETTINGS`: one rank's process.
inline constexpr std::string_view kWorkerFlag = "--worker";

/// As many ranks as usable cores, then twice as many; multiples of `threads`.
std::vector<int> default_ranks(int threads);

/// Starts settings.ranks[0] ranks (processes, or threads of processes) of this program, hands what
/// they find to `sink` and waits for their end. Throws UsageError for what only the ranks can
/// refuse (an unknown algorithm), std::runtime_error if one fails.
void launch_ranks(const SweepSettings& settings, ResultSink& sink);

}  // namespace tutti

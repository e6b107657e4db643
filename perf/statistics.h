// What the sweep makes of its samples.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace tutti {

/// Below this many samples there is no 99th percentile to speak of.
inline constexpr std::size_t kSamplesForP99 = 100;

/// The smallest sample that at least `share` (0 to 1) of them do not exceed. `samples`: not empty.
double quantile(std::vector<double> samples, double share);
double median(std::vector<double> samples);
std::optional<double> percentile_99(const std::vector<double>& samples);

/// How the ranks' times of one turn become one: nccl-tests' -a.
enum class Average { kRank0 = 0, kMean = 1, kMin = 2, kMax = 3 };
double combine_ranks(std::span<const double> by_rank, Average how);

}  // namespace tutti

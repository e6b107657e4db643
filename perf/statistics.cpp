#include "perf/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tutti {

double quantile(std::vector<double> samples, double share) {
  const auto last = static_cast<double>(samples.size()) - 1;
  const double rank = std::ceil(share * static_cast<double>(samples.size())) - 1;
  const auto at = static_cast<std::ptrdiff_t>(std::clamp(rank, 0.0, last));
  std::nth_element(samples.begin(), samples.begin() + at, samples.end());
  return samples[static_cast<std::size_t>(at)];
}

double median(std::vector<double> samples) { return quantile(std::move(samples), 0.5); }

std::optional<double> percentile_99(const std::vector<double>& samples) {
  if (samples.size() < kSamplesForP99) return std::nullopt;
  return quantile(samples, 0.99);
}

double combine_ranks(std::span<const double> by_rank, Average how) {
  switch (how) {
    case Average::kRank0:
      return by_rank.front();
    case Average::kMin:
      return *std::ranges::min_element(by_rank);
    case Average::kMax:
      return *std::ranges::max_element(by_rank);
    case Average::kMean:
      break;
  }
  return std::accumulate(by_rank.begin(), by_rank.end(), 0.0) / static_cast<double>(by_rank.size());
}

}  // namespace tutti

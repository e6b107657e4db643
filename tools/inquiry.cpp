#include "tools/inquiry.h"

#include <algorithm>

#include "collectives/algorithms.h"
#include "kernels/error.h"
#include "transport/resources.h"

namespace tutti {

std::optional<double> memory_to_be_had() { return obtainable_memory(); }

std::string why_never_served(std::string_view collective, const std::string& algorithm,
                             const std::vector<int>& rank_counts) {
  int row = 0;
  while (name_of(static_cast<Collective>(row)) != collective) ++row;
  std::string reason;
  const bool served = std::ranges::any_of(rank_counts, [&](int ranks) {
    try {
      variant_named(static_cast<Collective>(row), algorithm, ranks);
      return true;
    } catch (const Error& error) {
      reason = error.what();
      return false;
    }
  });
  return served ? "" : reason;
}

}  // namespace tutti

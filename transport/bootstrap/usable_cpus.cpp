#include "transport/bootstrap/usable_cpus.h"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <limits>

#include "transport/resources.h"

namespace tutti {
namespace {

constexpr std::size_t kMostWords = 1024;  // 65536 CPUs, far above any kernel's limit

}  // namespace

CpuMask allowed_cpus() {
  // The call fails with EINVAL while the mask is shorter than the kernel's.
  for (CpuMask mask(2); mask.size() <= kMostWords; mask.resize(2 * mask.size())) {
    auto* set = reinterpret_cast<cpu_set_t*>(mask.data());
    if (sched_getaffinity(0, mask.size() * sizeof(mask[0]), set) == 0) return mask;
    if (errno != EINVAL) break;
  }
  return {1};
}

int count_cpus(std::span<const std::uint64_t> mask) {
  int count = 0;
  for (const std::uint64_t word : mask) count += std::popcount(word);
  return count;
}

int quota_cpus() {
  const auto quota = cpu_quota();
  if (!quota || *quota >= std::numeric_limits<int>::max()) return std::numeric_limits<int>::max();
  return std::max(static_cast<int>(*quota), 1);
}

int usable_cpus() { return std::max(std::min(count_cpus(allowed_cpus()), quota_cpus()), 1); }

}  // namespace tutti

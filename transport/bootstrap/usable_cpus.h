// How many CPUs this process gets, for those who must know whether to spin or to sleep.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tutti {

/// CPUs by their number in the operating system: bit c % 64 of word c / 64.
using CpuMask = std::vector<std::uint64_t>;

/// The CPUs on which the calling thread may run (its affinity). Never empty.
CpuMask allowed_cpus();

int count_cpus(std::span<const std::uint64_t> mask);

/// The control groups' quota in whole CPUs (a part of one is none to spin on), at least 1; without
/// one, INT_MAX.
int quota_cpus();

/// CPUs of the calling thread's affinity, but not more than the quota. Ranks that are bound to a
/// core each see that core only: what a world may use is the union of its ranks' masks.
int usable_cpus();

}  // namespace tutti

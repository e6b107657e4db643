// How many CPUs this process gets, for those who must know whether to spin or to sleep.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

namespace tutti {

/// CPUs by their number in the operating system: bit c % 64 of word c / 64.
using CpuMask = std::vector<std::uint64_t>;

/// The CPUs on which the calling thread may run (its affinity). Never empty.
CpuMask allowed_cpus();

int count_cpus(std::span<const std::uint64_t> mask);

/// The CPUs' worth of time per second that control groups grant this process: the least quota of
/// its group and that one's ancestors, version 2 or 1; none where there is no quota. `root` is
/// where /proc and /sys are looked for.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

/// The quota in whole CPUs (a part of one is none to spin on), at least 1; without one, INT_MAX.
int quota_cpus();

/// CPUs of the calling thread's affinity, but not more than the quota. Ranks that are bound to a
/// core each see that core only: what a world may use is the union of its ranks' masks.
int usable_cpus();

}  // namespace tutti

#include "transport/bootstrap/usable_cpus.h"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

namespace tutti {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostWords = 1024;  // 65536 CPUs, far above any kernel's limit

std::optional<double> least(std::optional<double> a, std::optional<double> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

/// Version 2: "max 100000" or "150000 100000" (microseconds of each period).
std::optional<double> quota_v2(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return std::nullopt;
  return std::strtod(quota.c_str(), nullptr) / period;
}

/// Version 1: two files; a quota of -1 is none.
std::optional<double> quota_v1(const fs::path& group) {
  std::ifstream quota_file(group / "cpu.cfs_quota_us"), period_file(group / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0)
    return std::nullopt;
  return quota / period;
}

/// The least quota of `group` and its ancestors below `mount`. In a container the group's path may
/// be the host's and lead nowhere here: then only what exists counts, at least the mount itself.
template <typename Read>
std::optional<double> least_quota(const fs::path& mount, fs::path group, Read read) {
  std::optional<double> quota = read(mount);
  for (group = group.relative_path(); !group.empty(); group = group.parent_path())
    quota = least(quota, read(mount / group));
  return quota;
}

bool names_cpu(const std::string& controllers) {
  std::stringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');)
    if (name == "cpu") return true;
  return false;
}

/// One line of /proc/self/cgroup: "hierarchy:controllers:/group"; controllers are empty in version
/// 2.
std::optional<double> quota_of_line(const fs::path& root, const std::string& line) {
  const auto first = line.find(':');
  const auto second = first == std::string::npos ? first : line.find(':', first + 1);
  if (second == std::string::npos) return std::nullopt;
  const std::string controllers = line.substr(first + 1, second - first - 1);
  const fs::path group = line.substr(second + 1);
  const fs::path mounts = root / "sys/fs/cgroup";
  if (controllers.empty())
    return least(least_quota(mounts, group, quota_v2),
                 least_quota(mounts / "unified", group, quota_v2));
  if (!names_cpu(controllers)) return std::nullopt;
  return least(least_quota(mounts / "cpu", group, quota_v1),
               least_quota(mounts / controllers, group, quota_v1));
}

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

std::optional<double> cpu_quota(const fs::path& root) {
  std::ifstream groups(root / "proc/self/cgroup");
  std::optional<double> quota;
  for (std::string line; std::getline(groups, line);)
    quota = least(quota, quota_of_line(root, line));
  return quota;
}

int quota_cpus() {
  const auto quota = cpu_quota();
  if (!quota || *quota >= std::numeric_limits<int>::max()) return std::numeric_limits<int>::max();
  return std::max(static_cast<int>(*quota), 1);
}

int usable_cpus() { return std::max(std::min(count_cpus(allowed_cpus()), quota_cpus()), 1); }

}  // namespace tutti

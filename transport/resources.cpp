#include "transport/resources.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace tutti {
namespace {

namespace fs = std::filesystem;

std::optional<double> least(std::optional<double> a, std::optional<double> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

std::optional<double> number_in(const fs::path& file) {
  double number = 0;
  if (std::ifstream stream(file); stream >> number) return number;
  return std::nullopt;
}

/// "max 100000" or "150000 100000" (microseconds of each period).
std::optional<double> quota_v2(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return std::nullopt;
  return std::strtod(quota.c_str(), nullptr) / period;
}

/// Two files; a quota of -1 is none.
std::optional<double> quota_v1(const fs::path& group) {
  const auto quota = number_in(group / "cpu.cfs_quota_us");
  const auto period = number_in(group / "cpu.cfs_period_us");
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return *quota / *period;
}

/// The bytes of cached files, by their names in memory.stat.
double cached_bytes(const fs::path& group, const std::string& prefix) {
  std::ifstream file(group / "memory.stat");
  double sum = 0, bytes = 0;
  for (std::string key; file >> key >> bytes;)
    if (key == prefix + "active_file" || key == prefix + "inactive_file") sum += bytes;
  return sum;
}

std::optional<double> left(std::optional<double> limit, std::optional<double> used,
                           double droppable) {
  if (!limit || !used) return std::nullopt;
  return std::max(*limit - *used + droppable, 0.0);
}

/// A limit of "max" is none.
std::optional<double> memory_v2(const fs::path& group) {
  return left(number_in(group / "memory.max"), number_in(group / "memory.current"),
              cached_bytes(group, ""));
}

/// No limit is a very high one.
std::optional<double> memory_v1(const fs::path& group) {
  return left(number_in(group / "memory.limit_in_bytes"),
              number_in(group / "memory.usage_in_bytes"), cached_bytes(group, "total_"));
}

using Read = std::optional<double> (*)(const fs::path& group);

/// The least number of `group` and its ancestors below `mount`. In a container the group's path may
/// be the host's and lead nowhere here: then only what exists counts, at least the mount itself.
std::optional<double> least_upwards(const fs::path& mount, fs::path group, Read read) {
  std::optional<double> number = read(mount);
  for (group = group.relative_path(); !group.empty(); group = group.parent_path())
    number = least(number, read(mount / group));
  return number;
}

bool names(const std::string& controllers, const std::string& controller) {
  std::stringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');)
    if (name == controller) return true;
  return false;
}

/// One line of /proc/self/cgroup: "hierarchy:controllers:/group"; controllers are empty in version
/// 2.
std::optional<double> least_of_line(const fs::path& root, const std::string& line,
                                    const std::string& controller, Read v1, Read v2) {
  const auto first = line.find(':');
  const auto second = first == std::string::npos ? first : line.find(':', first + 1);
  if (second == std::string::npos) return std::nullopt;
  const std::string controllers = line.substr(first + 1, second - first - 1);
  const fs::path group = line.substr(second + 1);
  const fs::path mounts = root / "sys/fs/cgroup";
  if (controllers.empty())
    return least(least_upwards(mounts, group, v2), least_upwards(mounts / "unified", group, v2));
  if (!names(controllers, controller)) return std::nullopt;
  return least(least_upwards(mounts / controller, group, v1),
               least_upwards(mounts / controllers, group, v1));
}

std::optional<double> least_of_groups(const fs::path& root, const std::string& controller, Read v1,
                                      Read v2) {
  std::ifstream groups(root / "proc/self/cgroup");
  std::optional<double> number;
  for (std::string line; std::getline(groups, line);)
    number = least(number, least_of_line(root, line, controller, v1, v2));
  return number;
}

}  // namespace

std::optional<double> cpu_quota(const fs::path& root) {
  return least_of_groups(root, "cpu", quota_v1, quota_v2);
}

std::optional<double> memory_left(const fs::path& root) {
  return least_of_groups(root, "memory", memory_v1, memory_v2);
}

std::optional<double> memory_available(const fs::path& root) {
  std::ifstream file(root / "proc/meminfo");
  for (std::string key; file >> key;) {
    double kib = 0;
    if (key == "MemAvailable:" && file >> kib) return kib * 1024;
    std::getline(file, key);
  }
  return std::nullopt;
}

std::optional<double> obtainable_memory(const fs::path& root) {
  return least(memory_available(root), memory_left(root));
}

}  // namespace tutti

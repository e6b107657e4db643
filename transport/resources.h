// What the system and Linux's control groups grant this process. Groups: its own and that one's
// ancestors, version 2 or 1; in a container too, where the group's path may be the host's.
#pragma once

#include <filesystem>
#include <optional>

namespace tutti {

/// The CPUs' worth of time per second: the least quota; none where there is no quota. `root` is
/// where /proc and /sys are looked for.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

/// Bytes that the groups let this process take yet, what they can drop (cached files) included;
/// none where there is no limit.
std::optional<double> memory_left(const std::filesystem::path& root = "/");

/// Bytes that the system could give without taking them from somebody; none if it does not say.
std::optional<double> memory_available(const std::filesystem::path& root = "/");

/// Bytes that this process could have now: the least of the two; none if neither is known.
std::optional<double> obtainable_memory(const std::filesystem::path& root = "/");

}  // namespace tutti

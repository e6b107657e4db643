// Who am I? The caller's config first, then the innermost launcher.
#include <algorithm>
#include <cstdio>

#include "kernels/error.h"
#include "transport/bootstrap/environment.h"

namespace tutti {
namespace {

/// What one source says, with the names that its users know.
struct Source {
  std::string launcher;
  std::string rank_name, size_name;
  std::optional<int> rank, size;
  std::optional<std::string> address;
};

[[noreturn]] void refuse(const std::string& text) { throw Error(TUTTI_INVALID, text); }

Source from_tutti(const Environment& environment) {
  return {.launcher = "TUTTI_*",
          .rank_name = "TUTTI_RANK",
          .size_name = "TUTTI_SIZE",
          .rank = environment.rank,
          .size = environment.size,
          .address = environment.address};
}

Source from_torchrun(const Environment& environment) {
  const int local = environment.torch_local_size.value_or(environment.torch_size.value_or(1));
  if (environment.torch_size && local != *environment.torch_size)
    throw Error(TUTTI_UNSUPPORTED,
                "torchrun started " + std::to_string(local) + " of " +
                    std::to_string(*environment.torch_size) +
                    " ranks on this host (LOCAL_WORLD_SIZE, WORLD_SIZE): several hosts are not "
                    "offered yet");
  if (!environment.torch_address)
    refuse("TUTTI_BOOTSTRAP is torchrun, but MASTER_ADDR or MASTER_PORT is not set");
  return {.launcher = "torchrun",
          .rank_name = "RANK",
          .size_name = "WORLD_SIZE",
          .rank = environment.torch_rank,
          .size = environment.torch_size,
          .address = environment.address ? environment.address : environment.torch_address};
}

Source alone(const Environment& environment) {
  return {.launcher = "alone",
          .rank_name = "config.rank",
          .size_name = "config.size",
          .rank = std::nullopt,
          .size = std::nullopt,
          .address = environment.address};
}

/// The innermost launcher, or the forced one.
Source from_launcher(const Environment& environment) {
  const auto& forced = environment.bootstrap;
  const bool tutti = environment.rank || environment.size;
  if (forced ? forced == "tutti" : tutti) {
    Source source = from_tutti(environment);
    if (forced && !tutti)
      refuse("TUTTI_BOOTSTRAP is tutti, but TUTTI_RANK and TUTTI_SIZE are not set");
    return source;
  }
  if (forced ? forced == "torchrun" : environment.torch_rank.has_value())
    return from_torchrun(environment);
  return alone(environment);
}

void check_config(const tutti_config& config) {
  if (config.rank < -1) refuse("config.rank is " + std::to_string(config.rank));
  if (config.size < -1 || config.size == 0)
    refuse("config.size is " + std::to_string(config.size) + ": at least 1");
}

/// Lays the caller's rank, size and address over the launcher's.
Source overlay(const tutti_config& config, const Environment& environment) {
  const bool complete = config.rank >= 0 && config.size > 0;
  // A launcher's contradictions do not matter to a caller who needs nothing of it.
  Source source =
      complete && config.address != nullptr ? alone(environment) : from_launcher(environment);
  if (complete) source.launcher = "config";
  if (config.rank >= 0) source.rank = config.rank, source.rank_name = "config.rank";
  if (config.size > 0) source.size = config.size, source.size_name = "config.size";
  if (config.address != nullptr && *config.address != '\0') source.address = config.address;
  return source;
}

void check_place(const Source& source) {
  if (source.rank && !source.size)
    refuse(source.rank_name + " is " + std::to_string(*source.rank) + " but " + source.size_name +
           " is not set: set both, or start the program with `tutti run`");
  if (source.size && !source.rank)
    refuse(source.size_name + " is " + std::to_string(*source.size) + " but " + source.rank_name +
           " is not set: set both, or start the program with `tutti run`");
  if (!source.rank) {
    if (source.launcher != "alone")
      refuse(source.launcher + ": " + source.rank_name + " and " + source.size_name +
             " are not set");
    return;
  }
  if (*source.size > kMaxHostRanks)
    refuse(source.size_name + " is " + std::to_string(*source.size) + ": at most " +
           std::to_string(kMaxHostRanks) + " ranks on one host");
  if (*source.rank >= *source.size)
    refuse(source.rank_name + " is " + std::to_string(*source.rank) + ", but a world of " +
           std::to_string(*source.size) + " (" + source.size_name + ") has ranks 0 to " +
           std::to_string(*source.size - 1));
  if (*source.size > 1 && !source.address)
    refuse(
        source.size_name + " is " + std::to_string(*source.size) +
        " but there is no address to meet at: set TUTTI_ADDR or config.address, the same text on "
        "every rank");
}

std::chrono::milliseconds timeout(const char* name, std::int64_t of_config,
                                  std::optional<int> of_environment,
                                  std::chrono::milliseconds otherwise) {
  if (of_config == 0 || of_config < -1)
    refuse(std::string(name) + " is " + std::to_string(of_config) +
           ": at least 1, or -1 for the default");
  if (of_config > 0) return std::chrono::milliseconds(std::min(of_config, kLongestTimeoutMs));
  return of_environment ? std::chrono::milliseconds(*of_environment) : otherwise;
}

void tell(const World& world) {
  const std::string where = world.size > 1 ? ", meeting at '" + world.address + "'" : "";
  std::fprintf(stderr, "tutti: rank %d of %d, by %s%s\n", world.rank, world.size,
               world.launcher.c_str(), where.c_str());
}

/// Ranks that each are a world of their own compute without an error, and wrongly.
void warn_of_foreign_launcher(const std::string& foreign) {
  std::fprintf(stderr,
               "tutti: %s, but this process is alone in its world: Tutti does not know that "
               "launcher yet. Start the ranks with `tutti run` or set TUTTI_RANK, TUTTI_SIZE and "
               "TUTTI_ADDR; TUTTI_BOOTSTRAP=alone means it\n",
               foreign.c_str());
}

}  // namespace

World resolve_world(const tutti_config& config, const Environment& environment) {
  check_config(config);
  const Source source = overlay(config, environment);
  check_place(source);

  World world;
  world.rank = source.rank.value_or(0);
  world.size = source.size.value_or(1);
  if (world.size > 1) world.address = *source.address;
  world.launcher = source.launcher;
  world.start_timeout = timeout("config.start_timeout_ms", config.start_timeout_ms,
                                environment.start_timeout_ms, world.start_timeout);
  world.call_timeout = timeout("config.call_timeout_ms", config.call_timeout_ms,
                               environment.call_timeout_ms, world.call_timeout);
  world.cross_memory = environment.cross_memory;
  world.warnings = environment.log != "off";
  if (environment.tells()) tell(world);
  const bool by_default = world.launcher == "alone" && !environment.bootstrap;
  if (environment.foreign && by_default && world.warnings)
    warn_of_foreign_launcher(*environment.foreign);
  return world;
}

}  // namespace tutti

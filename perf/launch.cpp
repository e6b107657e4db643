#include "perf/launch.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tools/json_text.h"
#include "tools/launcher.h"
#include "tools/options.h"
#include "tools/process.h"

namespace tutti {
namespace {

[[noreturn]] void fail_with_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::optional<BindTo> binding_of(const SweepSettings& settings) {
  // Threads of one process are bound by the sweep itself: the process must have all their cores.
  if (settings.threads > 1 || settings.bind_to == "none") return BindTo::kNone;
  if (settings.bind_to == "core") return BindTo::kCore;
  if (settings.bind_to == "numa") return BindTo::kNuma;
  return std::nullopt;
}

LaunchSpec spec_of(const SweepSettings& settings, int results_fd) {
  LaunchSpec spec;
  spec.title = "tutti perf";
  spec.argv = {std::filesystem::read_symlink("/proc/self/exe").string(), "perf",
               std::string(kWorkerFlag), std::to_string(results_fd), json_text(settings)};
  spec.ranks = settings.ranks[0] / settings.threads;
  spec.bind_to = binding_of(settings);
  spec.report_bindings = settings.report_bindings;
  if (settings.timeout_s > 0)
    spec.timeout = std::chrono::milliseconds(std::llround(settings.timeout_s * 1000));
  return spec;
}

/// The process that starts the ranks and waits for them. It dies with this one, and the ranks with
/// it.
pid_t fork_launcher(const LaunchSpec& spec) {
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) fail_with_errno("cannot start the ranks");
  if (child > 0) return child;
  int code = EXIT_FAILURE;
  try {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent) code = launch(spec);
  } catch (const std::exception& error) {
    fmt::print(stderr, "tutti perf: {}\n", error.what());
  }
  std::fflush(nullptr);
  _exit(code);
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail_with_errno("cannot wait for the ranks");
  return exit_code_of(status);
}

}  // namespace

std::vector<int> default_ranks(int threads) {
  const int cores = (usable_cores() + threads - 1) / threads * threads;
  return {cores, 2 * cores};
}

void launch_ranks(const SweepSettings& settings, ResultSink& sink) {
  Pipe pipe = make_pipe();
  // Ranks find the writing end under its own number.
  if (fcntl(pipe.write_end.get(), F_SETFD, 0) != 0) fail_with_errno("cannot pass a pipe on");
  const pid_t child = fork_launcher(spec_of(settings, pipe.write_end.get()));
  pipe.write_end = UniqueFd();
  const auto refused = forward_lines(pipe.read_end.get(), sink);
  const int code = wait_for(child);
  if (refused) throw UsageError(*refused);
  if (code != 0)
    throw std::runtime_error(fmt::format("the sweep with {} ranks failed", settings.ranks[0]));
}

}  // namespace tutti

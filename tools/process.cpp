#include "tools/process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <system_error>
#include <thread>

#include "kernels/error.h"

namespace tutti {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

/// A set of CPUs of any size.
struct CpuSet {
  explicit CpuSet(const std::vector<int>& cpus) {
    if (cpus.empty()) return;
    const int most = *std::max_element(cpus.begin(), cpus.end());
    bytes = CPU_ALLOC_SIZE(most + 1);
    set.reset(CPU_ALLOC(most + 1));
    CPU_ZERO_S(bytes, set.get());
    for (const int cpu : cpus) CPU_SET_S(static_cast<std::size_t>(cpu), bytes, set.get());
  }

  struct Free {
    void operator()(cpu_set_t* owned) const { CPU_FREE(owned); }
  };
  std::unique_ptr<cpu_set_t, Free> set;
  std::size_t bytes = 0;
};

/// What the child needs, ready: between fork and exec it only makes system calls.
struct Prepared {
  explicit Prepared(const ProcessSpec& process)
      : spec(process),
        argv(pointers(process.argv)),
        environment(pointers(process.environment)),
        cpus(process.cpus),
        parent(getpid()) {}

  const ProcessSpec& spec;
  const std::vector<char*> argv, environment;
  const CpuSet cpus;
  const pid_t parent;
};

/// In the child: ends in exec, or returns what failed.
Started become(const Prepared& it) {
  const auto failed = [](const char* step) { return Started{-1, errno, step}; };
  if (setpgid(0, 0) != 0) return failed("setpgid");
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return failed("prctl");
  if (getppid() != it.parent) _exit(1);  // the caller died before that
  const std::array<int, 3> from{it.spec.in, it.spec.out, it.spec.err};
  for (int to = 0; to < 3; ++to) {
    const int fd = from[static_cast<std::size_t>(to)];
    // dup2() to itself would leave it closed on exec.
    const bool fails = fd == to ? fcntl(fd, F_SETFD, 0) != 0 : fd >= 0 && dup2(fd, to) < 0;
    if (fails) return failed("redirect");
  }
  if (it.cpus.set && sched_setaffinity(0, it.cpus.bytes, it.cpus.set.get()) != 0)
    return failed("bind");
  sigprocmask(SIG_SETMASK, &it.spec.signal_mask, nullptr);
  execvpe(it.argv[0], it.argv.data(), it.environment.data());
  return failed("start");
}

/// The parent of a process, from /proc/PID/stat: the second field after the name, which may hold
/// anything but ends at the last bracket.
pid_t parent_of(const std::filesystem::path& directory) {
  std::ifstream file(directory / "stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto bracket = text.rfind(')');
  pid_t parent = 0;
  if (bracket == std::string::npos || bracket + 4 >= text.size()) return 0;
  std::from_chars(text.data() + bracket + 4, text.data() + text.size(), parent);
  return parent;
}

}  // namespace

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    throw Error(TUTTI_SYSTEM, "cannot make a pipe: " + std::generic_category().message(errno));
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Started start_process(const ProcessSpec& spec) {
  const Prepared prepared(spec);
  Pipe report = make_pipe();  // closed by exec, or carries the failure
  const pid_t pid = fork();
  if (pid < 0) return {-1, errno, "fork"};
  if (pid == 0) {
    const Started failure = become(prepared);
    const ssize_t told = write(report.write_end.get(), &failure, sizeof failure);
    _exit(told == sizeof failure ? 0 : 1);
  }
  setpgid(pid, pid);  // whoever comes first: the group is there when this function returns
  report.write_end = UniqueFd();
  Started failure;
  ssize_t got = 0;
  while ((got = read(report.read_end.get(), &failure, sizeof failure)) < 0 && errno == EINTR) {
  }
  if (got != sizeof failure) return {.pid = pid};
  waitpid(pid, nullptr, 0);
  return failure;
}

std::string describe_end(int wait_status) {
  if (WIFEXITED(wait_status)) return "exited with code " + std::to_string(WEXITSTATUS(wait_status));
  const char* name = sigabbrev_np(WTERMSIG(wait_status));
  return "was ended by " +
         (name != nullptr ? "SIG" + std::string(name)
                          : "signal " + std::to_string(WTERMSIG(wait_status))) +
         (WCOREDUMP(wait_status) ? " (core dumped)" : "");
}

int exit_code_of(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

std::vector<pid_t> children() {
  const pid_t self = getpid();
  std::vector<pid_t> found;
  std::error_code ignored;  // processes come and go while we look
  for (std::filesystem::directory_iterator it("/proc", ignored), end; it != end;
       it.increment(ignored)) {
    const std::string name = it->path().filename();
    pid_t pid = 0;
    const auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && rest == name.data() + name.size() && parent_of(it->path()) == self)
      found.push_back(pid);
  }
  return found;
}

int end_children(const std::vector<pid_t>& spared, std::chrono::milliseconds grace) {
  using Clock = std::chrono::steady_clock;
  // Even SIGKILL takes time where a process sits in the kernel; but this must end.
  const auto kill_from = Clock::now() + grace, until = kill_from + std::chrono::seconds(5);
  std::set<pid_t> asked;
  for (;;) {
    std::vector<pid_t> mine = children();
    std::erase_if(mine, [&](pid_t pid) {
      return std::find(spared.begin(), spared.end(), pid) != spared.end() ||
             waitpid(pid, nullptr, WNOHANG) == pid;  // it has ended already
    });
    if (mine.empty() || Clock::now() > until) return static_cast<int>(asked.size());
    for (const pid_t pid : mine) {
      if (Clock::now() >= kill_from) kill(pid, SIGKILL);
      if (asked.insert(pid).second && grace.count() > 0) kill(pid, SIGTERM), kill(pid, SIGCONT);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace tutti

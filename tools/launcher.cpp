#include "tools/launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "kernels/error.h"
#include "tools/guard.h"
#include "tools/terminal_input.h"
#include "topology/machine.h"
#include "transport/bootstrap/environment.h"
#include "transport/bootstrap/usable_cpus.h"

namespace tutti {
namespace {

using std::chrono::milliseconds;

std::vector<Binding> choose_bindings(const LaunchSpec& spec) {
  const BindTo otherwise = spec.ranks <= usable_cores() ? BindTo::kCore : BindTo::kNone;
  return plan_bindings(spec.bind_to.value_or(otherwise), spec.ranks);
}

/// Adopts orphans while it lives.
class Subreaper {
 public:
  Subreaper() {
    prctl(PR_GET_CHILD_SUBREAPER, &before_);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
  }
  ~Subreaper() { prctl(PR_SET_CHILD_SUBREAPER, before_); }
  Subreaper(const Subreaper&) = delete;
  Subreaper& operator=(const Subreaper&) = delete;

 private:
  int before_ = 0;
};

/// A closed standard descriptor would be given to the next file, and the ranks would write into it.
void open_standard_descriptors() {
  for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = open("/dev/null", O_RDWR)) {
    if (fd <= STDERR_FILENO) continue;
    close(fd);
    return;
  }
}

/// The guard's life, in the child process.
[[noreturn]] void be_guard(const LaunchSpec& spec, const std::vector<Binding>& bindings,
                           SignalGate& signals, int lifeline, int input) {
  int code = 1;
  try {
    // Not the terminal's foreground group: Ctrl-C shall come once, from the caller's process.
    setpgid(0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    code = Guard(spec, bindings, signals, lifeline, input).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", spec.title.c_str(), error.what());
    end_children({}, milliseconds(0));
  }
  std::fflush(stderr);
  _exit(code);
}

// The shell tells nobody when it puts us into the foreground.
constexpr int kForegroundLookMs = 500;

/// Passes signals and typed lines on until the guard has ended. Returns its wait status.
int attend(pid_t guard, SignalGate& signals, std::optional<TerminalInput>& terminal) {
  for (;;) {
    int status = 0;
    if (waitpid(guard, &status, WNOHANG) == guard) return status;
    std::array<pollfd, 3> fds{pollfd{signals.fd(), POLLIN, 0},
                              pollfd{terminal ? terminal->readable() : -1, POLLIN, 0},
                              pollfd{terminal ? terminal->writable() : -1, POLLOUT, 0}};
    poll(fds.data(), fds.size(), terminal ? kForegroundLookMs : -1);
    if (terminal && fds[1].revents != 0) terminal->read_some();
    if (terminal && fds[2].revents != 0) terminal->write_some();
    while (const std::optional<int> signal = signals.next()) {
      if (*signal != SIGCHLD) kill(guard, *signal);
      if (*signal == SIGTSTP) raise(SIGSTOP);
    }
  }
}

}  // namespace

bool is_launched() {
  const Environment environment = read_environment();
  return environment.rank.has_value() || environment.torch_rank.has_value();
}

int usable_cores() { return std::min(detect_machine().usable_cores, usable_cpus()); }

int launch(const LaunchSpec& spec) {
  open_standard_descriptors();
  const std::vector<Binding> bindings = choose_bindings(spec);
  const std::vector<pid_t> spared = children();
  const Subreaper subreaper;
  SignalGate signals;
  std::optional<TerminalInput> terminal;
  if (TerminalInput::needed()) terminal.emplace();
  Pipe lifeline = make_pipe();
  std::fflush(nullptr);  // or both processes would write what is buffered

  const pid_t guard = fork();
  if (guard < 0)
    throw Error(TUTTI_SYSTEM, "cannot fork: " + std::generic_category().message(errno));
  if (guard == 0) {
    lifeline.write_end = UniqueFd();
    const UniqueFd input = terminal ? terminal->take_read_end() : UniqueFd();
    be_guard(spec, bindings, signals, lifeline.read_end.get(), input.get());
  }
  if (terminal) terminal->keep_write_end();
  const int status = attend(guard, signals, terminal);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  end_children(spared, milliseconds(0));
  std::fprintf(stderr, "%s: the process that watches over the ranks %s; all ranks are ended\n",
               spec.title.c_str(), describe_end(status).c_str());
  return exit_code_of(status);
}

}  // namespace tutti

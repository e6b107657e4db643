#include "tools/signal_gate.h"

#include <sys/signalfd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "kernels/error.h"

namespace tutti {

SignalGate::SignalGate() {
  sigset_t read{}, blocked{};
  sigemptyset(&read);
  for (const int signal :
       {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGCHLD})
    sigaddset(&read, signal);
  blocked = read;
  sigaddset(&blocked, SIGPIPE);
  fd_ = UniqueFd(signalfd(-1, &read, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_)
    throw Error(TUTTI_SYSTEM, "cannot read signals: " + std::generic_category().message(errno));
  sigprocmask(SIG_BLOCK, &blocked, &original_);
}

SignalGate::~SignalGate() {
  while (next()) {
    // What came too late to be passed on must not hit the caller now.
  }
  sigprocmask(SIG_SETMASK, &original_, nullptr);
}

std::optional<int> SignalGate::next() {
  signalfd_siginfo info{};
  if (read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

}  // namespace tutti

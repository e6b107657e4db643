// Signals as something to read, for the processes of the launcher.
#pragma once

#include <signal.h>

#include <optional>

#include "transport/unique_fd.h"

namespace tutti {

/// While it lives, the signals that the launcher passes on, and SIGCHLD, wait to be read, and
/// SIGPIPE waits for good. Those that the caller ignores (nohup) stay ignored. For processes with
/// one thread.
class SignalGate {
 public:
  /// Throws Error.
  SignalGate();
  ~SignalGate();
  SignalGate(const SignalGate&) = delete;
  SignalGate& operator=(const SignalGate&) = delete;

  /// To poll for reading.
  int fd() const { return fd_.get(); }
  /// The next signal that came; none if there is none now.
  std::optional<int> next();
  /// What the caller blocked, for the programs that are started.
  const sigset_t& original_mask() const { return original_; }

 private:
  sigset_t original_{};
  UniqueFd fd_;
};

}  // namespace tutti

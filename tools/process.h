// Processes: starting one without surprises, and what its end means.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "transport/unique_fd.h"

namespace tutti {

struct ProcessSpec {
  std::vector<std::string> argv;         // the program is looked for in PATH
  std::vector<std::string> environment;  // "NAME=value", all of it
  std::vector<int> cpus;                 // to bind to; empty: not bound
  int in = -1, out = -1, err = -1;       // become 0, 1 and 2; -1: as the caller's
  sigset_t signal_mask{};
};

/// A process that runs its program, or why there is none: errno, and what was tried.
struct Started {
  pid_t pid = -1;
  int error_number = 0;
  const char* step = "";
};

/// Starts a process in a group of its own that is killed when the caller dies, and returns when its
/// program runs. All that is needed between fork and exec is made before.
Started start_process(const ProcessSpec& spec);

/// "exited with code 3", "was ended by SIGSEGV".
std::string describe_end(int wait_status);
/// The code, or 128 + the signal.
int exit_code_of(int wait_status);

/// The caller's children, those that it adopted included.
std::vector<pid_t> children();

/// Ends the caller's children but `spared`, with theirs, which the caller (a subreaper) adopts:
/// SIGTERM, and SIGKILL after `grace`. Returns how many there were at first.
int end_children(const std::vector<pid_t>& spared, std::chrono::milliseconds grace);

/// A pipe that is closed on exec: [0] is read, [1] written. Throws Error.
struct Pipe {
  UniqueFd read_end, write_end;
};
Pipe make_pipe();

}  // namespace tutti

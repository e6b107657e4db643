// Starts ranks of a program on this host and stays with them to their end.
//
// Two processes do it. The caller's passes signals on and waits. Its child, the guard, is the
// ranks' parent: it starts them, carries their output, ends them. If the caller's process is
// killed, the guard ends whatever the ranks have started, and the other way round: both adopt
// orphans (PR_SET_CHILD_SUBREAPER), and the ranks themselves die with the guard (PR_SET_PDEATHSIG).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "topology/bind.h"

namespace tutti {

struct LaunchSpec {
  std::string title = "tutti run";  // begins every message on stderr
  std::vector<std::string> argv;    // the program, found in PATH, and its arguments
  int ranks = 1;
  std::vector<std::string> environment;  // "NAME=value", over the caller's own
  std::optional<BindTo> bind_to;  // none given: core, and none where that would oversubscribe
  bool report_bindings = false;
  bool tag_output = false;  // begin every line of a rank's output with "[rank] "
  std::optional<std::chrono::milliseconds> timeout;
  std::chrono::milliseconds grace{3000};  // from SIGTERM to SIGKILL
};

inline constexpr int kExitTimeout = 124;    // as timeout(1)
inline constexpr int kExitNoProgram = 127;  // as the shell; 126 if it may not be executed

/// Starts the ranks with TUTTI_RANK, TUTTI_SIZE, TUTTI_ADDR (fresh) and TUTTI_LOCAL_RANK, standard
/// input for rank 0 only, and returns when all have ended, and what they left behind has too: 0, or
/// the exit code of the first rank that failed, 128 + n for signal n. When a rank fails, the others
/// are ended and stderr says which it was, and how. Signals INT, TERM, HUP, QUIT, USR1, USR2, TSTP
/// and CONT go to all ranks; a third INT or TERM kills them. Call it from a process with one
/// thread. Throws Error if nothing could be started.
int launch(const LaunchSpec& spec);

/// Whether this process is a rank already: `tutti run`'s, torchrun's or a person's variables are
/// there. Throws Error for one with a wrong value.
bool is_launched();

/// Cores that ranks can have for themselves: by affinity, cpuset and quota.
int usable_cores();

}  // namespace tutti

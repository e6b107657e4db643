// What a person types, for rank 0.
#pragma once

#include <string>
#include <utility>

#include "tools/process.h"

namespace tutti {

/// Copies a terminal to a pipe. The ranks are in process groups of their own, and the kernel stops
/// whoever reads a terminal from the background; so the process that the shell knows reads it for
/// them, and only while it is in the foreground itself. Never blocks.
class TerminalInput {
 public:
  /// Whether standard input is a terminal; if not, ranks can have it as it is.
  static bool needed();

  TerminalInput() : pipe_(make_pipe()) {}

  /// After fork: which side this process is, the reader's (for rank 0) or the writer's.
  UniqueFd take_read_end() {
    pipe_.write_end = UniqueFd();
    return std::move(pipe_.read_end);
  }
  void keep_write_end() { pipe_.read_end = UniqueFd(); }

  /// What to poll: standard input for reading, the pipe for writing; -1 if not now.
  int readable() const;
  int writable() const { return typed_.empty() ? -1 : pipe_.write_end.get(); }
  void read_some();
  void write_some();

 private:
  Pipe pipe_;
  std::string typed_;  // not yet written
};

}  // namespace tutti

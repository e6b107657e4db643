// The output of many ranks on one stream: whole lines, each with its rank before it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "transport/unique_fd.h"

namespace tutti {

/// Carries lines from pipes to one descriptor. Never blocks: the caller polls, and tells when there
/// is something to read or room to write. While the reader behind the descriptor is slow, nothing
/// more is read from the ranks.
class TaggedOutput {
 public:
  /// `name`: "standard output", for errors.
  TaggedOutput(int to, const char* name) : to_(to), name_(name) {}

  /// `rank`'s output comes from `from` from now on.
  void add(int rank, UniqueFd from);

  /// Adds a line of the launcher's own.
  void say(const std::string& line);

  /// Descriptors to poll for reading (none while enough waits to be written), and whether to poll
  /// the stream for writing.
  std::vector<int> readable() const;
  bool wants_to_write() const { return !queue_.empty(); }

  /// Reads once from each source that has something.
  void read_some();
  /// Writes a piece that fits without blocking once the stream has been polled.
  void write_some();

  /// Why output was lost, once: "standard output: No space left on device". Nobody reading any more
  /// is no reason: the ranks learn it by SIGPIPE, as they would without us.
  std::optional<std::string> take_failure() { return std::exchange(failure_, std::nullopt); }

  /// Whether all sources have ended and everything is written.
  bool done() const { return sources_.empty() && queue_.empty(); }
  /// Whoever could write has ended: takes what is left in the pipes, and the last lines even if
  /// incomplete.
  void close();

 private:
  struct Source {
    std::string tag;
    UniqueFd from;
    std::string line;  // begun, not ended
  };

  enum class Heard { kSomething, kNothing, kEnd };

  Heard read_from(Source& source);
  void put_line(Source& source, std::size_t length);
  void end_line(Source& source);

  const int to_;
  const char* const name_;
  std::vector<Source> sources_;
  std::string queue_;  // whole lines to write
  bool lost_ = false;  // what the ranks write is read, and goes nowhere
  std::optional<std::string> failure_;
};

}  // namespace tutti

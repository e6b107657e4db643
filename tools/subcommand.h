// The seam between the `tutti` program and its subcommands. To add one: a file that defines a
// Subcommand and its maker, a declaration below, a row in subcommands.cpp, its options in
// option_table.cpp.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/options.h"

namespace tutti {

/// Exit statuses, besides 0.
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

class Subcommand {
 public:
  virtual ~Subcommand() = default;

  /// Binds variables to the options that the table has for this subcommand.
  virtual void declare(Options& options) = 0;

  /// Separates what is no option of this subcommand (a program and its arguments) from `arguments`
  /// before they are parsed. Most subcommands have none.
  virtual void take_program(std::vector<std::string>& /*arguments*/) {}

  /// Does the work, with the options parsed. Returns the exit status: 0, or 1 when the work failed.
  /// Throws UsageError (exit 2) for values that do not go together; any other exception is exit 1.
  virtual int run() = 0;
};

struct SubcommandRow {
  char letter;  // as in OptionRow::subcommands
  std::string_view name, summary;
  std::unique_ptr<Subcommand> (*make)();
  std::string_view program = {};  // what follows the options, for the usage line
};

/// The subcommands, in the order of `tutti --help`.
std::span<const SubcommandRow> subcommands();

std::unique_ptr<Subcommand> make_run();      // tools/run.cpp
std::unique_ptr<Subcommand> make_env();      // tools/env.cpp
std::unique_ptr<Subcommand> make_perf();     // perf/
std::unique_ptr<Subcommand> make_verify();   // tools/verify.cpp
std::unique_ptr<Subcommand> make_explain();  // tools/explain.cpp

}  // namespace tutti

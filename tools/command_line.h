// A command line of `tutti`: finds the subcommand, parses its options, runs it, reports its errors.
#pragma once

#include <string>
#include <vector>

namespace tutti {

/// Runs `tutti ARGUMENTS…`. Returns the exit status.
int run_command_line(const std::vector<std::string>& arguments);

}  // namespace tutti

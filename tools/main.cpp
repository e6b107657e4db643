// The `tutti` program.
#include <cstdio>
#include <exception>

#include "tools/command_line.h"
#include "tools/subcommand.h"

int main(int argc, char** argv) {
  try {
    const int status = tutti::run_command_line({argv + 1, argv + argc});
    if (std::fflush(stdout) != 0) {
      std::perror("tutti: standard output");
    } else if (std::ferror(stdout) != 0) {  // an earlier flush failed, and its errno is gone
      std::fputs("tutti: standard output: cannot write\n", stderr);
    } else {
      return status;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tutti: %s\n", error.what());
  }
  return tutti::kExitFailed;
}

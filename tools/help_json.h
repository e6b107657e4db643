// The table of options for other programs: man pages and completions are generated from it.
#pragma once

#include <string>

namespace tutti {

/// What `tutti help --json` prints: subcommands with their options, and the words that an
/// option's value may be where there are such; variables of the environment.
std::string help_json();

}  // namespace tutti

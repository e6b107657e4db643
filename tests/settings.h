// What a test takes from the environment: its seed, and the size of its tables.
#pragma once

#include <cstdint>

namespace tutti::test {

/// The number that `variable` holds, or `otherwise` where it is not set. Said on standard output if
/// set, so that a log tells what was run.
std::uint64_t setting(const char* variable, std::uint64_t otherwise);

}  // namespace tutti::test

// How much memory there is for what the program is about to do.
#pragma once

#include <optional>

namespace tutti {

/// Bytes that this process could have now: what the system has, or its control groups leave; none
/// if they do not say.
std::optional<double> obtainable_memory();

}  // namespace tutti

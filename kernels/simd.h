// The instruction sets that the kernels can run on: for tests, which try each, and for benchmarks.
#pragma once

#include <string>
#include <vector>

namespace tutti {

/// Names of the instruction sets that are built in and that this CPU has, the best first.
std::vector<std::string> simd_targets();

/// Makes later calls of reduce_kernel(), scale_kernel() and copy_bytes() use `name`, one of
/// simd_targets(); an empty name means the best again. Kernels chosen before keep theirs. Affects
/// the whole process; not for use while other threads call these functions.
void use_simd_target(const std::string& name);

}  // namespace tutti

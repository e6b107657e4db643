// The yardstick of the kernel benchmark: STREAM's triad, as fast as this core does it.
#pragma once

#include <cstddef>

#include "kernels/reduce.h"

namespace tutti {

/// a[i] = b[i] + s · c[i], on the best instruction set: the same traffic as a sum of two arrays.
/// `a` is aligned to a cache line.
void triad(float* a, const float* b, const float* c, float s, std::size_t count, Stores stores);

}  // namespace tutti

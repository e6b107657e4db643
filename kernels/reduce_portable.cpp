// The kernels where Highway is missing: the scalar reference, and what the compiler makes of it.
#include <cstring>

#include "kernels/reduce.h"
#include "kernels/reduce_reference.h"
#include "kernels/simd.h"

namespace tutti {

ReduceKernel reduce_kernel(Dtype dtype, Combine combine, ReduceShape shape) {
  return reduce_reference(dtype, combine, shape);
}

ScaleKernel scale_kernel(Dtype dtype) { return scale_reference(dtype); }

void copy_bytes(void* dst, const void* src, std::size_t bytes, Stores /*stores*/) {
  if (bytes != 0) std::memcpy(dst, src, bytes);
}

const char* simd_target() { return "PORTABLE"; }

std::vector<std::string> simd_targets() { return {simd_target()}; }

void use_simd_target(const std::string& /*name*/) {}

}  // namespace tutti

// The vector kernels by family of dtypes, each family compiled in a file of its own. Inside
// kernels/: everyone else uses reduce.h.
#pragma once

#include "kernels/reduce.h"

namespace tutti {

// Integers have one kernel for both shapes: wrapping arithmetic is associative.
ReduceKernel integer_kernel(Dtype dtype, Combine combine);
ScaleKernel integer_scale_kernel(Dtype dtype);

// f32, f64.
ReduceKernel float_kernel(Dtype dtype, Combine combine, ReduceShape shape);
ScaleKernel float_scale_kernel(Dtype dtype);

// f16, bf16.
ReduceKernel half_kernel(Dtype dtype, Combine combine, ReduceShape shape);
ScaleKernel half_scale_kernel(Dtype dtype);

// f8e4m3, f8e5m2.
ReduceKernel quarter_kernel(Dtype dtype, Combine combine, ReduceShape shape);
ScaleKernel quarter_scale_kernel(Dtype dtype);

// f32_i32, f64_i32. One kernel for both shapes: the order of operands does not show.
ReduceKernel pair_kernel(Dtype dtype, Combine combine);

}  // namespace tutti

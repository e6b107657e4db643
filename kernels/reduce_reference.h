// The scalar reference of kernels/reduce.h: what the vector kernels must equal bit for bit, and
// what they are where Highway is missing. Uses no instruction set but the baseline's.
#pragma once

#include "kernels/reduce.h"

namespace tutti {

/// The reference of reduce_kernel(): same contract, same bits. Streaming stores are ordinary here.
ReduceKernel reduce_reference(Dtype dtype, Combine combine, ReduceShape shape);

/// The reference of scale_kernel().
ScaleKernel scale_reference(Dtype dtype);

}  // namespace tutti

// The kernels of f32 and f64.
#include "kernels/families.h"
#include "kernels/simd_targets.h"

#define HWY_TARGET_INCLUDE "kernels/reduce_float.cpp"
#include "hwy/foreach_target.h"  // includes this file again for each instruction set
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

using F32Lanes = PlainLanes<float>;
using F64Lanes = PlainLanes<double>;

ReduceKernel find_float_kernel(Dtype dtype, Combine combine, ReduceShape shape) {
  return dtype == Dtype::kF32 ? pick_float<F32Lanes>(combine, shape)
                              : pick_float<F64Lanes>(combine, shape);
}

ScaleKernel find_float_scale_kernel(Dtype dtype) {
  return dtype == Dtype::kF32 ? scale<F32Lanes> : scale<F64Lanes>;
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(find_float_kernel);
HWY_EXPORT(find_float_scale_kernel);

ReduceKernel float_kernel(Dtype dtype, Combine combine, ReduceShape shape) {
  return HWY_DYNAMIC_DISPATCH(find_float_kernel)(dtype, combine, shape);
}

ScaleKernel float_scale_kernel(Dtype dtype) {
  return HWY_DYNAMIC_DISPATCH(find_float_scale_kernel)(dtype);
}

}  // namespace tutti
#endif  // HWY_ONCE

// The kernels of f16 and bf16.
#include "kernels/families.h"
#include "kernels/simd_targets.h"

#define HWY_TARGET_INCLUDE "kernels/reduce_half.cpp"
#include "hwy/foreach_target.h"  // includes this file again for each instruction set
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

using F16Lanes = SmallLanes<kF16, std::uint16_t>;
using BF16Lanes = SmallLanes<kBF16, std::uint16_t>;

ReduceKernel find_half_kernel(Dtype dtype, Combine combine, ReduceShape shape) {
  return dtype == Dtype::kF16 ? pick_float<F16Lanes>(combine, shape)
                              : pick_float<BF16Lanes>(combine, shape);
}

ScaleKernel find_half_scale_kernel(Dtype dtype) {
  return dtype == Dtype::kF16 ? scale<F16Lanes> : scale<BF16Lanes>;
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(find_half_kernel);
HWY_EXPORT(find_half_scale_kernel);

ReduceKernel half_kernel(Dtype dtype, Combine combine, ReduceShape shape) {
  return HWY_DYNAMIC_DISPATCH(find_half_kernel)(dtype, combine, shape);
}

ScaleKernel half_scale_kernel(Dtype dtype) {
  return HWY_DYNAMIC_DISPATCH(find_half_scale_kernel)(dtype);
}

}  // namespace tutti
#endif  // HWY_ONCE

// The kernels of f8e4m3 and f8e5m2.
#include "kernels/families.h"
#include "kernels/simd_targets.h"

#define HWY_TARGET_INCLUDE "kernels/reduce_quarter.cpp"
#include "hwy/foreach_target.h"  // includes this file again for each instruction set
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

using E4M3Lanes = SmallLanes<kF8E4M3, std::uint8_t>;
using E5M2Lanes = SmallLanes<kF8E5M2, std::uint8_t>;

ReduceKernel find_quarter_kernel(Dtype dtype, Combine combine, ReduceShape shape) {
  return dtype == Dtype::kF8E4M3 ? pick_float<E4M3Lanes>(combine, shape)
                                 : pick_float<E5M2Lanes>(combine, shape);
}

ScaleKernel find_quarter_scale_kernel(Dtype dtype) {
  return dtype == Dtype::kF8E4M3 ? scale<E4M3Lanes> : scale<E5M2Lanes>;
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(find_quarter_kernel);
HWY_EXPORT(find_quarter_scale_kernel);

ReduceKernel quarter_kernel(Dtype dtype, Combine combine, ReduceShape shape) {
  return HWY_DYNAMIC_DISPATCH(find_quarter_kernel)(dtype, combine, shape);
}

ScaleKernel quarter_scale_kernel(Dtype dtype) {
  return HWY_DYNAMIC_DISPATCH(find_quarter_scale_kernel)(dtype);
}

}  // namespace tutti
#endif  // HWY_ONCE

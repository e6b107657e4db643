// The kernels of integers.
#include "kernels/families.h"
#include "kernels/simd_targets.h"

#define HWY_TARGET_INCLUDE "kernels/reduce_integer.cpp"
#include "hwy/foreach_target.h"  // includes this file again for each instruction set
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

// Only min, max and division tell signed from unsigned: the passes of the rest are shared.
template <class T>
using BitLanes = PlainLanes<std::make_unsigned_t<T>>;

template <class T>
using ProductLanes = std::conditional_t<sizeof(T) == 1, WideByteLanes, BitLanes<T>>;

template <class T>
ReduceKernel pick_integer(Combine combine) {
  constexpr auto kFold = ReduceShape::kFold;
  switch (combine) {
    case Combine::kSum:
      return reduce<BitLanes<T>, T, Combine::kSum, kFold>;
    case Combine::kProd:
      return reduce<ProductLanes<T>, T, Combine::kProd, kFold>;
    case Combine::kMin:
      return reduce<PlainLanes<T>, T, Combine::kMin, kFold>;
    case Combine::kMax:
      return reduce<PlainLanes<T>, T, Combine::kMax, kFold>;
    case Combine::kBand:
      return reduce<BitLanes<T>, T, Combine::kBand, kFold>;
    case Combine::kBor:
      return reduce<BitLanes<T>, T, Combine::kBor, kFold>;
    case Combine::kBxor:
      return reduce<BitLanes<T>, T, Combine::kBxor, kFold>;
    case Combine::kMinIndex:
    case Combine::kMaxIndex:
      break;  // of pairs
  }
  return nullptr;
}

ReduceKernel find_integer_kernel(Dtype dtype, Combine combine) {
  switch (dtype) {
    case Dtype::kI8:
      return pick_integer<std::int8_t>(combine);
    case Dtype::kU8:
      return pick_integer<std::uint8_t>(combine);
    case Dtype::kI32:
      return pick_integer<std::int32_t>(combine);
    case Dtype::kU32:
      return pick_integer<std::uint32_t>(combine);
    case Dtype::kI64:
      return pick_integer<std::int64_t>(combine);
    case Dtype::kU64:
      return pick_integer<std::uint64_t>(combine);
    default:
      return nullptr;
  }
}

ScaleKernel find_integer_scale_kernel(Dtype dtype) {
  switch (size_of(dtype)) {
    case 1:
      return scale<ProductLanes<std::uint8_t>>;
    case 4:
      return scale<ProductLanes<std::uint32_t>>;
    default:
      return scale<ProductLanes<std::uint64_t>>;
  }
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(find_integer_kernel);
HWY_EXPORT(find_integer_scale_kernel);

ReduceKernel integer_kernel(Dtype dtype, Combine combine) {
  return HWY_DYNAMIC_DISPATCH(find_integer_kernel)(dtype, combine);
}

ScaleKernel integer_scale_kernel(Dtype dtype) {
  return HWY_DYNAMIC_DISPATCH(find_integer_scale_kernel)(dtype);
}

}  // namespace tutti
#endif  // HWY_ONCE

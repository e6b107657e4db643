// The door to the vector kernels; copies; and which instruction set is in use.
#include "kernels/reduce.h"

#include "kernels/families.h"
#include "kernels/simd.h"
#include "kernels/simd_targets.h"

#define HWY_TARGET_INCLUDE "kernels/reduce.cpp"
#include "hwy/foreach_target.h"  // includes this file again for each instruction set
#include "kernels/passes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

void stream_copy(void* dst, const void* src, std::size_t bytes) {
  stream_bytes(static_cast<std::byte*>(dst), static_cast<const std::byte*>(src), bytes);
  hwy::FlushStream();
}

void cached_copy(void* dst, const void* src, std::size_t bytes) {
  copy_vectors(static_cast<std::byte*>(dst), static_cast<const std::byte*>(src), bytes);
}

std::int64_t target_in_use() { return HWY_TARGET; }

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(stream_copy);
HWY_EXPORT(cached_copy);
HWY_EXPORT(target_in_use);

ReduceKernel reduce_kernel(Dtype dtype, Combine combine, ReduceShape shape) {
  assert(supports(dtype, combine));
  if (is_integer(dtype)) return integer_kernel(dtype, combine);
  if (is_pair(dtype)) return pair_kernel(dtype, combine);
  if (size_of(dtype) >= 4) return float_kernel(dtype, combine, shape);
  if (size_of(dtype) == 2) return half_kernel(dtype, combine, shape);
  return quarter_kernel(dtype, combine, shape);
}

ScaleKernel scale_kernel(Dtype dtype) {
  assert(!is_pair(dtype));
  if (is_integer(dtype)) return integer_scale_kernel(dtype);
  if (size_of(dtype) >= 4) return float_scale_kernel(dtype);
  if (size_of(dtype) == 2) return half_scale_kernel(dtype);
  return quarter_scale_kernel(dtype);
}

void copy_bytes(void* dst, const void* src, std::size_t bytes, Stores stores) {
  // From about 2 KiB on the C library takes an instruction (rep movsb) that some processors are
  // slow at where another core has the lines: 64 KiB went there and back in 34 us, and so in 6.
  constexpr std::size_t kLong = 1024;
  if (stores == Stores::kStreaming && bytes >= kStreamingBytes) {
    HWY_DYNAMIC_DISPATCH(stream_copy)(dst, src, bytes);
  } else if (bytes >= kLong) {
    HWY_DYNAMIC_DISPATCH(cached_copy)(dst, src, bytes);
  } else if (bytes != 0) {
    std::memcpy(dst, src, bytes);
  }
}

const char* simd_target() { return hwy::TargetName(HWY_DYNAMIC_DISPATCH(target_in_use)()); }

std::vector<std::string> simd_targets() {
  std::vector<std::string> names;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    names.emplace_back(hwy::TargetName(target));
  }
  return names;
}

void use_simd_target(const std::string& name) {
  hwy::SetSupportedTargetsForTest(0);
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    if (name == hwy::TargetName(target)) hwy::SetSupportedTargetsForTest(target);
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace tutti
#endif  // HWY_ONCE

// Deliberately plain: no tails (the count is a multiple of 64), no NaN rules, no tiles.
#include "perf/kernels/triad.h"

#include "kernels/simd_targets.h"

#define HWY_TARGET_INCLUDE "perf/kernels/triad.cpp"
#include "hwy/foreach_target.h"  // includes this file again for each instruction set
// After foreach_target.h:
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <bool kStream>
HWY_INLINE void triad_vector(float* a, const float* b, const float* c, float s) {
  const hn::ScalableTag<float> d;
  const auto v = hn::MulAdd(hn::Set(d, s), hn::LoadU(d, c), hn::LoadU(d, b));
  if constexpr (kStream) hn::Stream(v, d, a);
  if constexpr (!kStream) hn::StoreU(v, d, a);
}

template <bool kStream>
HWY_INLINE void triad_loop(float* a, const float* b, const float* c, float s, std::size_t count) {
  const std::size_t n = hn::Lanes(hn::ScalableTag<float>());
  for (std::size_t i = 0; i < count; i += 4 * n) {
    triad_vector<kStream>(a + i, b + i, c + i, s);
    triad_vector<kStream>(a + i + n, b + i + n, c + i + n, s);
    triad_vector<kStream>(a + i + 2 * n, b + i + 2 * n, c + i + 2 * n, s);
    triad_vector<kStream>(a + i + 3 * n, b + i + 3 * n, c + i + 3 * n, s);
  }
}

void triad_cached(float* a, const float* b, const float* c, float s, std::size_t count) {
  triad_loop<false>(a, b, c, s, count);
}

void triad_streaming(float* a, const float* b, const float* c, float s, std::size_t count) {
  triad_loop<true>(a, b, c, s, count);
  hwy::FlushStream();
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(triad_cached);
HWY_EXPORT(triad_streaming);

void triad(float* a, const float* b, const float* c, float s, std::size_t count, Stores stores) {
  if (stores == Stores::kStreaming) {
    HWY_DYNAMIC_DISPATCH(triad_streaming)(a, b, c, s, count);
  } else {
    HWY_DYNAMIC_DISPATCH(triad_cached)(a, b, c, s, count);
  }
}

}  // namespace tutti
#endif  // HWY_ONCE

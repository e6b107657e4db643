#include <immintrin.h>

#include <cstring>

#include "perf/limit_kernels.h"

namespace tutti {
namespace {

using Inputs = std::span<const float* const>;
using Outputs = std::span<float* const>;

// 32 bytes: one register with AVX, two without. Several at a time hide the latency of the adds.
using Lane [[gnu::vector_size(32)]] = float;
constexpr std::size_t kLaneFloats = 8;
constexpr std::size_t kLanes = kLimitBlock / kLaneFloats;

// A load or store of one lane at a time: a copy of the whole array would go through memory.
[[gnu::always_inline]] inline void sum_block(Inputs inputs, std::size_t at, Lane (&sum)[kLanes]) {
#pragma GCC unroll 8
  for (std::size_t lane = 0; lane < kLanes; ++lane)
    std::memcpy(&sum[lane], inputs[0] + at + lane * kLaneFloats, sizeof(Lane));
  for (std::size_t from = 1; from < inputs.size(); ++from) {
    const float* const input = inputs[from] + at;
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      Lane next;
      std::memcpy(&next, input + lane * kLaneFloats, sizeof next);
      sum[lane] += next;
    }
  }
}

template <Store kStore>
[[gnu::always_inline]] inline void store_lane(float* output, const Lane& lane) {
  if constexpr (kStore == Store::kCached) {
    std::memcpy(output, &lane, sizeof lane);
  } else {
    const __m128 low{lane[0], lane[1], lane[2], lane[3]};
    const __m128 high{lane[4], lane[5], lane[6], lane[7]};
    _mm_stream_ps(output, low);
    _mm_stream_ps(output + 4, high);
  }
}

template <Store kStore>
[[gnu::always_inline]] inline void pass(Inputs inputs, Outputs outputs, std::size_t first,
                                        std::size_t last) {
  for (std::size_t at = first; at < last; at += kLimitBlock) {
    Lane sum[kLanes];
    sum_block(inputs, at, sum);
    for (float* output : outputs) {
#pragma GCC unroll 8
      for (std::size_t lane = 0; lane < kLanes; ++lane)
        store_lane<kStore>(output + at + lane * kLaneFloats, sum[lane]);
    }
  }
  if constexpr (kStore == Store::kStreaming) _mm_sfence();
}

[[gnu::target("avx2")]] void pass_avx2(Inputs inputs, Outputs outputs, std::size_t first,
                                       std::size_t last, Store store) {
  if (store == Store::kCached) pass<Store::kCached>(inputs, outputs, first, last);
  if (store == Store::kStreaming) pass<Store::kStreaming>(inputs, outputs, first, last);
}

void pass_sse2(Inputs inputs, Outputs outputs, std::size_t first, std::size_t last, Store store) {
  if (store == Store::kCached) pass<Store::kCached>(inputs, outputs, first, last);
  if (store == Store::kStreaming) pass<Store::kStreaming>(inputs, outputs, first, last);
}

}  // namespace

void limit_pass(Inputs inputs, Outputs outputs, std::size_t first, std::size_t last, Store store) {
  static const bool avx2 = __builtin_cpu_supports("avx2") != 0;
  if (avx2)
    pass_avx2(inputs, outputs, first, last, store);
  else
    pass_sse2(inputs, outputs, first, last, store);
}

bool has_streaming_stores() { return true; }

}  // namespace tutti

#include <immintrin.h>

#include <cstring>

#include "perf/floor_kernels.h"

namespace tutti {
namespace {

using Inputs = std::span<const float* const>;
using Outputs = std::span<float* const>;

// 32 bytes: one register with AVX, two without. Several at a time hide the latency of the adds.
using Lane [[gnu::vector_size(32)]] = float;
constexpr std::size_t kLaneFloats = 8;
constexpr std::size_t kLanes = kFloorBlock / kLaneFloats;
constexpr std::size_t kHalves = kFloorBlock / 4;

[[gnu::always_inline]] inline void sum_block(Inputs inputs, std::size_t at, Lane* sum) {
  std::memcpy(sum, inputs[0] + at, kFloorBlock * sizeof(float));
  for (std::size_t from = 1; from < inputs.size(); ++from) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      Lane next;
      std::memcpy(&next, inputs[from] + at + lane * kLaneFloats, sizeof next);
      sum[lane] += next;
    }
  }
}

[[gnu::always_inline]] inline void pass_cached(Inputs inputs, Outputs outputs, std::size_t first,
                                               std::size_t last) {
  for (std::size_t at = first; at < last; at += kFloorBlock) {
    Lane sum[kLanes];
    sum_block(inputs, at, sum);
    for (float* output : outputs) std::memcpy(output + at, sum, sizeof sum);
  }
}

[[gnu::always_inline]] inline void pass_streaming(Inputs inputs, Outputs outputs, std::size_t first,
                                                  std::size_t last) {
  for (std::size_t at = first; at < last; at += kFloorBlock) {
    Lane sum[kLanes];
    sum_block(inputs, at, sum);
    __m128 halves[kHalves];
    std::memcpy(halves, sum, sizeof sum);
    for (float* output : outputs)
      for (std::size_t half = 0; half < kHalves; ++half)
        _mm_stream_ps(output + at + half * 4, halves[half]);
  }
  _mm_sfence();
}

[[gnu::target("avx2")]] void pass_avx2(Inputs inputs, Outputs outputs, std::size_t first,
                                       std::size_t last, Store store) {
  if (store == Store::kCached) pass_cached(inputs, outputs, first, last);
  if (store == Store::kStreaming) pass_streaming(inputs, outputs, first, last);
}

void pass_sse2(Inputs inputs, Outputs outputs, std::size_t first, std::size_t last, Store store) {
  if (store == Store::kCached) pass_cached(inputs, outputs, first, last);
  if (store == Store::kStreaming) pass_streaming(inputs, outputs, first, last);
}

}  // namespace

void floor_pass(Inputs inputs, Outputs outputs, std::size_t first, std::size_t last, Store store) {
  static const bool avx2 = __builtin_cpu_supports("avx2") != 0;
  if (avx2)
    pass_avx2(inputs, outputs, first, last, store);
  else
    pass_sse2(inputs, outputs, first, last, store);
}

bool has_streaming_stores() { return true; }

}  // namespace tutti

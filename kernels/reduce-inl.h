// Kernels, made of passes. Compiled once per instruction set.

// An include guard that opens again for each instruction set.
#if defined(TUTTI_KERNELS_REDUCE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_KERNELS_REDUCE_INL_H
#undef TUTTI_KERNELS_REDUCE_INL_H
#else
#define TUTTI_KERNELS_REDUCE_INL_H
#endif

#include "kernels/passes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

// A piece that stays in the first-level cache between two passes over it.
inline constexpr std::size_t kTileBytes = 4096;
// Below this, a fence costs more than what streaming saves.
inline constexpr std::size_t kStreamingBytes = 4096;

// One pass over all elements. A function of its own, because the code is long and has two callers;
// its arguments fit registers.
template <class Type, Combine kCombine>
HWY_NOINLINE void fold_pass(const void* const* sources, std::size_t k, std::size_t first,
                            std::byte* out, std::size_t count, Finish finish) {
  walk(FoldPass<Type, kCombine>{{sources, k, first, out, finish.divisor}}, count);
}

template <class Type, Combine kCombine>
HWY_NOINLINE void tree_pass(const void* const* sources, std::size_t k, std::size_t first,
                            std::byte* out, std::size_t count, Finish finish) {
  // Up to three operands a tree is a fold, unless it rounds on its way.
  const std::size_t folds = Type::kRounds ? (finish.divisor == 1 ? 2 : 1) : 3;
  if (k <= folds) return fold_pass<Type, kCombine>(sources, k, first, out, count, finish);
  const std::size_t leaves = std::bit_floor(k);
  walk(TreePass<Type, kCombine>{{sources, k, first, out, finish.divisor}, leaves}, count);
}

// fold_pass() or tree_pass().
using ReducePass = void (*)(const void* const* sources, std::size_t k, std::size_t first,
                            std::byte* out, std::size_t count, Finish finish);

template <class Type, Combine kCombine, ReduceShape kShape>
constexpr ReducePass pass_of() {
  if constexpr (kShape == ReduceShape::kFold) return fold_pass<Type, kCombine>;
  if constexpr (kShape == ReduceShape::kBalanced) return tree_pass<Type, kCombine>;
}

// A whole reduction, as its kernel was asked for it.
struct Job {
  std::byte* dst;
  const void* const* sources;
  std::size_t k;
  std::size_t count;
  Finish finish;
  bool streaming;
};

// Tile by tile: for a second pass over the tile, which divides integers (T) or streams it out.
template <class T, std::size_t kBytes>
HWY_NOINLINE void reduce_tiles(ReducePass pass, const Job& job) {
  alignas(kLineBytes) std::byte tile[kTileBytes];
  constexpr std::size_t kTile = kTileBytes / kBytes;
  const std::size_t past_line = reinterpret_cast<std::uintptr_t>(job.dst) % kLineBytes / kBytes;
  std::size_t next = 0;
  for (std::size_t first = 0; first < job.count; first = next) {
    // The first tile ends where a line does, and so do all but the last.
    next = std::min(job.count, first == 0 ? kTile - past_line : first + kTile);
    const std::size_t length = next - first;
    std::byte* const dst = job.dst + first * kBytes;
    std::byte* const out = job.streaming ? tile : dst;
    pass(job.sources, job.k, first, out, length, job.finish);
    if constexpr (std::is_integral_v<T>) {
      if (job.finish.divisor != 1) divide<T>(out, length, job.finish.divisor);
    }
    if (job.streaming) stream_bytes(dst, tile, length * kBytes);
  }
  if (job.streaming) hwy::FlushStream();
}

// A ReduceKernel. T is the dtype where it is an integer, else void.
template <class Type, class T, Combine kCombine, ReduceShape kShape>
void reduce(void* dst, const void* const* sources, std::size_t k, std::size_t count, Finish finish,
            Stores stores) {
  assert(k >= 1 && finish.divisor >= 1);
  const std::size_t bytes = count * Type::kBytes;
  auto* const out = static_cast<std::byte*>(dst);
  if (k == 1 && finish.divisor == 1) {
    if (dst != sources[0]) copy_bytes(dst, sources[0], bytes, stores);
    return;
  }
  constexpr ReducePass kPass = pass_of<Type, kCombine, kShape>();
  const bool streaming = stores == Stores::kStreaming && bytes >= kStreamingBytes;
  if (streaming || (std::is_integral_v<T> && finish.divisor != 1)) {
    return reduce_tiles<T, Type::kBytes>(kPass, Job{out, sources, k, count, finish, streaming});
  }
  kPass(sources, k, 0, out, count, finish);
}

// A ScaleKernel.
template <class Type>
void scale(void* dst, const void* src, std::size_t count, const void* scalar) {
  walk(ScalePass<Type>{static_cast<std::byte*>(dst), static_cast<const std::byte*>(src),
                       static_cast<const std::byte*>(scalar)},
       count);
}

// The kernel of a float dtype. Min and max neither round nor care for order: they always fold.
template <class Type, ReduceShape kShape>
ReduceKernel pick_float(Combine combine) {
  switch (combine) {
    case Combine::kSum: return reduce<Type, void, Combine::kSum, kShape>;
    case Combine::kProd: return reduce<Type, void, Combine::kProd, kShape>;
    case Combine::kMin: return reduce<Type, void, Combine::kMin, ReduceShape::kFold>;
    case Combine::kMax: return reduce<Type, void, Combine::kMax, ReduceShape::kFold>;
    default: return nullptr;
  }
}

template <class Type>
ReduceKernel pick_float(Combine combine, ReduceShape shape) {
  return shape == ReduceShape::kFold ? pick_float<Type, ReduceShape::kFold>(combine)
                                     : pick_float<Type, ReduceShape::kBalanced>(combine);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TUTTI_KERNELS_REDUCE_INL_H

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

// What stays in the first-level cache between two passes over it.
inline constexpr std::size_t kDivideBlockBytes = 4096;

// fold_pass() or tree_pass(): one pass over all elements. Functions of their own, because their
// code is long and has several callers; the arguments fit registers.
using ReducePass = void (*)(const void* const* sources, std::size_t k, std::size_t first,
                            std::byte* out, std::size_t count, Finish finish);

template <class Type, Combine kCombine>
HWY_NOINLINE void fold_pass(const void* const* sources, std::size_t k, std::size_t first,
                            std::byte* out, std::size_t count, Finish finish) {
  walk(FoldPass<Type, kCombine>{{sources, k, first, out, finish.divisor}}, count);
}

// Up to how many operands a tree is a fold: three, unless it rounds on its way.
template <class Type>
HWY_INLINE std::size_t most_folded(Finish finish) {
  return !Type::kRounds ? 3 : finish.divisor == 1 ? 2 : 1;
}

template <class Type, Combine kCombine>
HWY_NOINLINE void tree_pass(const void* const* sources, std::size_t k, std::size_t first,
                            std::byte* out, std::size_t count, Finish finish) {
  if (k <= most_folded<Type>(finish)) {
    return fold_pass<Type, kCombine>(sources, k, first, out, count, finish);
  }
  const std::size_t leaves = std::bit_floor(k);
  walk(TreePass<Type, kCombine>{{sources, k, first, out, finish.divisor}, leaves}, count);
}

template <class Type, Combine kCombine, ReduceShape kShape>
constexpr ReducePass pass_of() {
  if constexpr (kShape == ReduceShape::kFold) return fold_pass<Type, kCombine>;
  if constexpr (kShape == ReduceShape::kBalanced) return tree_pass<Type, kCombine>;
}

// Blocks of the same pass with streaming stores. Returns their elements.
template <class Type, Combine kCombine, ReduceShape kShape>
HWY_INLINE std::size_t stream_blocks(const Operands<Type>& operands, std::size_t count) {
  if constexpr (kShape == ReduceShape::kBalanced) {
    if (operands.k > most_folded<Type>({operands.divisor})) {
      const TreePass<Type, kCombine> pass{operands, std::bit_floor(operands.k)};
      return walk_blocks<Stores::kStreaming>(pass, count);
    }
  }
  return walk_blocks<Stores::kStreaming>(FoldPass<Type, kCombine>{operands}, count);
}

// Streaming stores from the first to the last whole line; the ordinary pass does what is left at
// either end. dst is a multiple of an element's size.
template <class Type, Combine kCombine, ReduceShape kShape>
HWY_NOINLINE void streaming_pass(std::byte* dst, const void* const* sources, std::size_t k,
                                 std::size_t count, Finish finish) {
  constexpr ReducePass kPass = pass_of<Type, kCombine, kShape>();
  const std::size_t to_line = (0 - reinterpret_cast<std::uintptr_t>(dst)) % kLineBytes;
  const std::size_t head = std::min(count, to_line / Type::kBytes);
  kPass(sources, k, 0, dst, head, finish);
  const Operands<Type> body{sources, k, head, dst + head * Type::kBytes, finish.divisor};
  const std::size_t tail = head + stream_blocks<Type, kCombine, kShape>(body, count - head);
  hwy::FlushStream();
  kPass(sources, k, tail, dst + tail * Type::kBytes, count - tail, finish);
}

// Integers are divided in a second pass, block by block. The stores are ordinary ones.
template <class T, std::size_t kBytes>
HWY_NOINLINE void divide_blocks(ReducePass pass, std::byte* dst, const void* const* sources,
                                std::size_t k, std::size_t count, Finish finish) {
  constexpr std::size_t kBlock = kDivideBlockBytes / kBytes;
  for (std::size_t first = 0; first < count; first += kBlock) {
    const std::size_t length = std::min(kBlock, count - first);
    std::byte* const out = dst + first * kBytes;
    pass(sources, k, first, out, length, finish);
    divide<T>(out, length, finish.divisor);
  }
}

// A ReduceKernel. T is the dtype where it is an integer, else void.
template <class Type, class T, Combine kCombine, ReduceShape kShape>
void reduce(void* dst, const void* const* sources, std::size_t k, std::size_t count, Finish finish,
            Stores stores) {
  assert(k >= 1 && finish.divisor >= 1);
  constexpr ReducePass kPass = pass_of<Type, kCombine, kShape>();
  const std::size_t bytes = count * Type::kBytes;
  auto* const out = static_cast<std::byte*>(dst);
  if (k == 1 && finish.divisor == 1) {
    if (dst != sources[0]) copy_bytes(dst, sources[0], bytes, stores);
    return;
  }
  if constexpr (std::is_integral_v<T>) {
    if (finish.divisor != 1) {
      return divide_blocks<T, Type::kBytes>(kPass, out, sources, k, count, finish);
    }
  }
  // 8-bit floats are bound by their conversions: how they are stored makes no difference.
  if constexpr (!(Type::kRounds && Type::kBytes == 1)) {
    const bool aligned = reinterpret_cast<std::uintptr_t>(dst) % Type::kBytes == 0;
    if (stores == Stores::kStreaming && bytes >= kStreamingBytes && aligned) {
      return streaming_pass<Type, kCombine, kShape>(out, sources, k, count, finish);
    }
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
    case Combine::kSum:
      return reduce<Type, void, Combine::kSum, kShape>;
    case Combine::kProd:
      return reduce<Type, void, Combine::kProd, kShape>;
    case Combine::kMin:
      return reduce<Type, void, Combine::kMin, ReduceShape::kFold>;
    case Combine::kMax:
      return reduce<Type, void, Combine::kMax, ReduceShape::kFold>;
    default:
      return nullptr;
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

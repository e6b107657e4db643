// Arithmetic on arrays: one pass over k sources. CPU implementation: reduce.cpp (Highway, the best
// instruction set chosen at run time); its scalar reference: reduce_reference.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/dtype.h"

namespace tutti {

/// In which order k operands combine.
enum class ReduceShape : std::uint8_t {
  kFold,  // ((s0 ∘ s1) ∘ s2) ∘ …, kept in f32 for 8- and 16-bit floats, rounded once at the end
  kBalanced,  // m = 2^⌊log₂ k⌋, r = k - m: the first 2r operands pair up, then a perfect tree over
              // the m leaves; rounded to the dtype at every interior node
};

/// Whether the destination should stay in this core's cache.
enum class Stores : std::uint8_t { kCached, kStreaming };

/// Less than this is stored as usual: a fence would cost more than streaming saves.
inline constexpr std::size_t kStreamingBytes = 4096;

/// What happens to the combined value just before it is stored: result = value / divisor.
/// Integers round towards zero; 8- and 16-bit floats divide in f32, before the one rounding.
/// (Under kBalanced the division follows the root's rounding, and is rounded once more.)
struct Finish {
  std::uint32_t divisor = 1;  // 1: nothing happens
};

/// The bits of a result depend on the operands and their order alone: not on the instruction set,
/// the alignment, or an element's place in the array. A NaN result is always the one positive quiet
/// NaN without payload (a plain copy, k = 1 and divisor 1, keeps what it copies). Min and max give
/// NaN if any operand is NaN, and order -0 below +0, so that they depend on no order. A result too
/// large for f8e4m3 saturates at ±448, an f32 infinity in between too; in the other floats it is
/// infinite. Streaming is a hint: short, unaligned, 8-bit float and divided integer arrays are
/// stored as usual; when the kernel returns, streamed stores are ordered like ordinary ones.
///
/// Min and max with index take pairs, and give the pair with the least or greatest value (-0 below
/// +0), of equal values the one with the lower index; a NaN comes before every value, of NaNs the
/// lower index. Padding is zero then. They know no divisor.
///
/// dst[e] = finish(sources[0][e] ∘ … ∘ sources[k-1][e]) for e in 0 … count-1. k ≥ 1; k = 1 copies
/// (and finishes). dst may be one of the sources exactly; otherwise nothing overlaps. No alignment
/// is assumed beyond what the caller's buffers have (any). Thread-safe.
using ReduceKernel = void (*)(void* dst, const void* const* sources, std::size_t k,
                              std::size_t count, Finish finish, Stores stores);

/// The kernel of (dtype, combine, shape); supports(dtype, combine) must hold. Choose it once, call
/// it often: the choice of the instruction set is inside and costs a load.
ReduceKernel reduce_kernel(Dtype dtype, Combine combine, ReduceShape shape);

/// dst[e] = scalar · src[e], rounded once (8- and 16-bit floats multiply in f32; integers wrap).
/// `scalar` points to one element of `dtype`, which is no pair. dst == src is allowed.
using ScaleKernel = void (*)(void* dst, const void* src, std::size_t count, const void* scalar);
ScaleKernel scale_kernel(Dtype dtype);

/// memcpy with a choice of stores: streaming stores do not read the destination's lines first and
/// do not wait for a peer that holds them. Regions must not overlap.
void copy_bytes(void* dst, const void* src, std::size_t bytes, Stores stores);

/// The name of the instruction set that the kernels run on here, e.g. "AVX3_ZEN4".
const char* simd_target();

}  // namespace tutti

// The loops over elements: one pass over k sources, folded or as a balanced tree; scaling; integer
// division; streaming stores. Compiled once per instruction set.

// An include guard that opens again for each instruction set.
#if defined(TUTTI_KERNELS_PASSES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_KERNELS_PASSES_INL_H
#undef TUTTI_KERNELS_PASSES_INL_H
#else
#define TUTTI_KERNELS_PASSES_INL_H
#endif

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/lanes-inl.h"
#include "kernels/reduce.h"

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

inline constexpr std::size_t kLineBytes = 64;

// ---- Walking over elements ---------------------------------------------------------------------

// The last elements: shorter and shorter vectors down to one lane. No masks, nothing past the end,
// and the same operations as in the body, so that the place of an element never shows in its bits.
template <std::size_t kLanes, class Pass>
HWY_INLINE void walk_tail(const Pass& pass, std::size_t e, std::size_t count) {
  const hn::CappedTag<typename Pass::Lane, kLanes> d;
  for (; count - e >= kLanes; e += kLanes) pass.template unit<Stores::kCached>(d, e);
  if constexpr (kLanes > 1) walk_tail<(kLanes > 4 ? kLanes / 4 : 1)>(pass, e, count);
}

// Whole blocks of four vectors, as many as elements 0 … count-1 have. Returns their elements.
template <Stores kStores, class Pass>
HWY_INLINE std::size_t walk_blocks(const Pass& pass, std::size_t count) {
  const hn::ScalableTag<typename Pass::Lane> d;
  constexpr std::size_t kBlock = 4 * hn::MaxLanes(decltype(d)());
  std::size_t e = 0;
  for (; count - e >= kBlock; e += kBlock) pass.template four<kStores>(d, e);
  return e;
}

// Calls pass.unit(d, e), and pass.four(d, e) for four vectors at once, for elements 0 … count-1.
template <class Pass>
HWY_INLINE void walk(const Pass& pass, std::size_t count) {
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<typename Pass::Lane>());
  walk_tail<kLanes>(pass, walk_blocks<Stores::kCached>(pass, count), count);
}

// ---- Passes ------------------------------------------------------------------------------------

// What a reduction reads and writes. `out` is where the element `first` of the sources goes.
template <class Type>
struct Operands {
  const void* const* sources;
  std::size_t k;
  std::size_t first;
  std::byte* out;
  std::uint32_t divisor;  // of floats; integers are divided afterwards

  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, std::size_t s, std::size_t e) const {
    const auto* source = static_cast<const std::byte*>(sources[s]);
    return Type::load(d, source + (first + e) * Type::kBytes);
  }

  template <Stores kStores, class D>
  HWY_INLINE void store(D d, hn::Vec<D> v, std::size_t e) const {
    if constexpr (std::is_floating_point_v<hn::TFromD<D>>) {
      if (divisor != 1) v = hn::Div(v, hn::Set(d, static_cast<hn::TFromD<D>>(divisor)));
    }
    Type::template store<kStores>(d, v, out + e * Type::kBytes);
  }
};

// Four vectors stay in registers while the loop goes over the sources.
template <class Type, Combine kCombine>
struct FoldPass {
  using Lane = typename Type::Lane;
  Operands<Type> operands;

  template <Stores kStores, class D>
  HWY_INLINE void unit(D d, std::size_t e) const {
    auto a = operands.load(d, 0, e);
    for (std::size_t s = 1; s < operands.k; ++s) {
      a = combine_lanes<kCombine>(d, a, operands.load(d, s, e));
    }
    operands.template store<kStores>(d, a, e);
  }

  template <Stores kStores, class D>
  HWY_INLINE void four(D d, std::size_t e) const {
    constexpr std::size_t kLanes = hn::MaxLanes(D());
    auto v0 = operands.load(d, 0, e);
    auto v1 = operands.load(d, 0, e + kLanes);
    auto v2 = operands.load(d, 0, e + 2 * kLanes);
    auto v3 = operands.load(d, 0, e + 3 * kLanes);
    for (std::size_t s = 1; s < operands.k; ++s) {
      v0 = combine_lanes<kCombine>(d, v0, operands.load(d, s, e));
      v1 = combine_lanes<kCombine>(d, v1, operands.load(d, s, e + kLanes));
      v2 = combine_lanes<kCombine>(d, v2, operands.load(d, s, e + 2 * kLanes));
      v3 = combine_lanes<kCombine>(d, v3, operands.load(d, s, e + 3 * kLanes));
    }
    operands.template store<kStores>(d, v0, e);
    operands.template store<kStores>(d, v1, e + kLanes);
    operands.template store<kStores>(d, v2, e + 2 * kLanes);
    operands.template store<kStores>(d, v3, e + 3 * kLanes);
  }
};

// The balanced tree, leaf by leaf from the left: a node whose both halves are there is combined at
// once, so at most one node a level waits. After leaf i, as many levels are complete as i + 1 has
// trailing zeros.
template <class Type, Combine kCombine>
struct TreePass {
  using Lane = typename Type::Lane;
  static constexpr std::size_t kLevels = std::numeric_limits<std::size_t>::digits;
  Operands<Type> operands;
  std::size_t leaves;  // a power of two

  template <class D>
  static HWY_INLINE hn::Vec<D> join(D d, hn::Vec<D> a, hn::Vec<D> b) {
    return Type::rounded(d, combine_lanes<kCombine>(d, a, b));
  }

  template <class D>
  HWY_INLINE hn::Vec<D> leaf(D d, std::size_t i, std::size_t e) const {
    const std::size_t pairs = operands.k - leaves;
    if (i >= pairs) return operands.load(d, pairs + i, e);
    return join(d, operands.load(d, 2 * i, e), operands.load(d, 2 * i + 1, e));
  }

  template <Stores kStores, class D>
  HWY_INLINE void unit(D d, std::size_t e) const {
    hn::Vec<D> waiting[kLevels];
    std::size_t depth = 0;
    for (std::size_t i = 0; i < leaves; ++i) {
      auto node = leaf(d, i, e);
      for (std::size_t left = i + 1; left % 2 == 0; left /= 2) {
        node = join(d, waiting[--depth], node);
      }
      waiting[depth++] = node;
    }
    operands.template store<kStores>(d, waiting[0], e);
  }

  template <Stores kStores, class D>
  HWY_INLINE void four(D d, std::size_t e) const {
    for (std::size_t i = 0; i < 4; ++i) unit<kStores>(d, e + i * hn::MaxLanes(D()));
  }
};

template <class Type>
struct ScalePass {
  using Lane = typename Type::Lane;
  std::byte* dst;
  const std::byte* src;
  const std::byte* scalar;

  template <Stores kStores, class D>
  HWY_INLINE void unit(D d, std::size_t e) const {
    const hn::CappedTag<Lane, 1> d1;
    const auto factor = hn::Set(d, hn::GetLane(Type::load(d1, scalar)));
    const auto v = Type::load(d, src + e * Type::kBytes);
    Type::template store<kStores>(d, hn::Mul(factor, v), dst + e * Type::kBytes);
  }

  template <Stores kStores, class D>
  HWY_INLINE void four(D d, std::size_t e) const {
    for (std::size_t i = 0; i < 4; ++i) unit<kStores>(d, e + i * hn::MaxLanes(D()));
  }
};

// Divides integers of 8 or 32 bits in place, towards zero. A quotient of integers is further from
// the next integer than a division in a format twice as precise can err: truncating it is exact.
// The divisor is at least 2, so every quotient fits a signed integer.
template <class T>
struct DividePass {
  using Lane = std::conditional_t<sizeof(T) == 1, float, double>;
  std::byte* data;
  std::uint32_t divisor;

  template <Stores kStores, class D>
  HWY_INLINE void unit(D d, std::size_t e) const {
    const hn::Rebind<std::int32_t, D> d32;
    const auto by = hn::Set(d, static_cast<Lane>(divisor));
    std::byte* at = data + e * sizeof(T);
    if constexpr (sizeof(T) == 1) {
      const hn::Rebind<T, D> d8;
      const auto value = hn::ConvertTo(d, hn::PromoteTo(d32, load_lanes(d8, at)));
      store_lanes<kStores>(d8, hn::DemoteTo(d8, hn::ConvertTo(d32, hn::Div(value, by))), at);
    } else if constexpr (std::is_signed_v<T>) {
      const auto value = hn::PromoteTo(d, load_lanes(d32, at));
      store_lanes<kStores>(d32, hn::DemoteTo(d32, hn::Div(value, by)), at);
    } else {
      const auto top = hn::Set(d32, std::numeric_limits<std::int32_t>::min());
      const auto shifted = hn::PromoteTo(d, hn::Xor(load_lanes(d32, at), top));
      const auto value = hn::Add(shifted, hn::Set(d, 2147483648.0));
      store_lanes<kStores>(d32, hn::DemoteTo(d32, hn::Div(value, by)), at);
    }
  }

  template <Stores kStores, class D>
  HWY_INLINE void four(D d, std::size_t e) const {
    for (std::size_t i = 0; i < 4; ++i) unit<kStores>(d, e + i * hn::MaxLanes(D()));
  }
};

// 64 bits: the product with ⌊(2⁶⁴-1)/divisor⌋ has the quotient, or one less, in its upper half.
template <class T>
HWY_INLINE void divide_wide(std::byte* data, std::size_t count, std::uint64_t divisor) {
  const std::uint64_t reciprocal = ~std::uint64_t{0} / divisor;
  for (std::size_t e = 0; e < count; ++e) {
    std::uint64_t bits;
    std::memcpy(&bits, data + e * sizeof(T), sizeof(T));
    const bool negative = std::is_signed_v<T> && (bits >> 63) != 0;
    const std::uint64_t magnitude = negative ? 0 - bits : bits;
    std::uint64_t quotient;
    hwy::Mul128(magnitude, reciprocal, &quotient);
    quotient += magnitude - quotient * divisor >= divisor ? 1 : 0;
    bits = negative ? 0 - quotient : quotient;
    std::memcpy(data + e * sizeof(T), &bits, sizeof(T));
  }
}

template <class T>
HWY_INLINE void divide(std::byte* data, std::size_t count, std::uint32_t divisor) {
  if constexpr (sizeof(T) == 8) {
    divide_wide<T>(data, count, divisor);
  } else {
    walk(DividePass<T>{data, divisor}, count);
  }
}

// ---- Copies ------------------------------------------------------------------------------------

// Four vectors at a time; the last ones overlap, so there is no tail. At least kCopyBlock bytes.
inline constexpr std::size_t kCopyBlock = 4 * hn::MaxLanes(hn::ScalableTag<std::uint8_t>());
HWY_INLINE void copy_vectors(std::byte* dst, const std::byte* src, std::size_t bytes) {
  const hn::ScalableTag<std::uint8_t> d;
  constexpr std::size_t kLanes = hn::MaxLanes(decltype(d)());
  const auto four = [&](std::size_t at) {
    const auto v0 = load_lanes(d, src + at);
    const auto v1 = load_lanes(d, src + at + kLanes);
    const auto v2 = load_lanes(d, src + at + 2 * kLanes);
    const auto v3 = load_lanes(d, src + at + 3 * kLanes);
    store_lanes<Stores::kCached>(d, v0, dst + at);
    store_lanes<Stores::kCached>(d, v1, dst + at + kLanes);
    store_lanes<Stores::kCached>(d, v2, dst + at + 2 * kLanes);
    store_lanes<Stores::kCached>(d, v3, dst + at + 3 * kLanes);
  };
  const std::size_t last = bytes - kCopyBlock;
  for (std::size_t at = 0; at < last; at += kCopyBlock) four(at);
  four(last);
}

// ---- Streaming stores --------------------------------------------------------------------------

// Copies with stores that bypass the caches, whole lines at a time; what shares a line with other
// bytes at either end is stored as usual. The caller orders them: hwy::FlushStream().
HWY_INLINE void stream_bytes(std::byte* dst, const std::byte* src, std::size_t bytes) {
  const hn::ScalableTag<std::uint8_t> d;
  constexpr std::size_t kLanes = hn::MaxLanes(decltype(d)());
  const std::size_t to_line = (0 - reinterpret_cast<std::uintptr_t>(dst)) % kLineBytes;
  std::size_t at = std::min(to_line, bytes);
  std::memcpy(dst, src, at);
  for (; bytes - at >= kLineBytes; at += kLineBytes) {
    for (std::size_t i = at; i < at + kLineBytes; i += kLanes) {
      hn::Stream(load_lanes(d, src + i), d, reinterpret_cast<std::uint8_t*>(dst + i));
    }
  }
  std::memcpy(dst + at, src + at, bytes - at);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TUTTI_KERNELS_PASSES_INL_H

// How elements of a dtype become vector lanes to compute on, and back; and what the operators do to
// lanes. Compiled once per instruction set (Highway's foreach_target); every set gives the same
// bits as the scalar truth in small_float.h and reduce_reference.cpp.

// An include guard that opens again for each instruction set.
#if defined(TUTTI_KERNELS_LANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_KERNELS_LANES_INL_H
#undef TUTTI_KERNELS_LANES_INL_H
#else
#define TUTTI_KERNELS_LANES_INL_H
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/dtype.h"
#include "kernels/reduce.h"
#include "kernels/small_float.h"

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Whether f16 converts in hardware here. Highway's emulation elsewhere does not round to nearest.
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2) || (HWY_ARCH_ARM_A64 && HWY_TARGET == HWY_NEON)
inline constexpr bool kHalfInstructions = true;
#else
inline constexpr bool kHalfInstructions = false;
#endif

// Whether Min(a, b) is exactly a < b ? a : b, NaNs and zeros included, and Max likewise.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_SSE4
inline constexpr bool kMinIsSelection = true;
#else
inline constexpr bool kMinIsSelection = false;
#endif

// As many elements as D has lanes, at any address.
template <class D>
HWY_INLINE hn::Vec<D> load_lanes(D d, const std::byte* from) {
  using T = hn::TFromD<D>;
  if constexpr (hn::MaxLanes(D()) == 1) {
    T element;
    std::memcpy(&element, from, sizeof(T));
    return hn::Set(d, element);
  } else {
    return hn::LoadU(d, reinterpret_cast<const T*>(from));
  }
}

// Stores at any address; streaming, where `to` is a multiple of the vector's size and Highway has a
// store for that size, past the caches.
template <Stores kStores, class D>
HWY_INLINE void store_lanes(D d, hn::Vec<D> v, std::byte* to) {
  using T = hn::TFromD<D>;
  if constexpr (kStores == Stores::kStreaming && hn::MaxLanes(D()) * sizeof(T) >= 16) {
    hn::Stream(v, d, reinterpret_cast<T*>(to));
  } else if constexpr (hn::MaxLanes(D()) == 1) {
    const T element = hn::GetLane(v);
    std::memcpy(to, &element, sizeof(T));
  } else {
    hn::StoreU(v, d, reinterpret_cast<T*>(to));
  }
}

// ---- Dtypes ------------------------------------------------------------------------------------
// Each tells: kBytes of an element, the Lane it computes in, load, store (rounding, NaNs made
// canonical), and `rounded`: what a value becomes when it is stored and loaded again, where
// kRounds; else storing keeps values as they are.

// Computes in the dtype itself.
template <class T>
struct PlainLanes {
  using Lane = T;
  static constexpr std::size_t kBytes = sizeof(T);
  static constexpr bool kRounds = false;

  template <class D>
  static HWY_INLINE hn::Vec<D> load(D d, const std::byte* from) {
    return load_lanes(d, from);
  }

  template <Stores kStores, class D>
  static HWY_INLINE void store(D d, hn::Vec<D> v, std::byte* to) {
    if constexpr (std::is_floating_point_v<T>) {
      using Bits = hwy::MakeUnsigned<T>;
      const auto nan = hn::Set(hn::RebindToUnsigned<D>(), static_cast<Bits>(canonical_nan()));
      v = hn::IfThenElse(hn::IsNaN(v), hn::BitCast(d, nan), v);
    }
    store_lanes<kStores>(d, v, to);
  }

  template <class D>
  static HWY_INLINE hn::Vec<D> rounded(D /*d*/, hn::Vec<D> v) {
    return v;
  }

 private:
  static constexpr std::uint64_t canonical_nan() { return sizeof(T) == 4 ? kNanF32 : kNanF64; }
};

// Bytes computed in 32 bits: for products, which have no byte instruction.
struct WideByteLanes {
  using Lane = std::uint32_t;
  static constexpr std::size_t kBytes = 1;
  static constexpr bool kRounds = false;

  template <class D>
  static HWY_INLINE hn::Vec<D> load(D d, const std::byte* from) {
    return hn::PromoteTo(d, load_lanes(hn::Rebind<std::uint8_t, D>(), from));
  }

  template <Stores kStores, class D>
  static HWY_INLINE void store(D /*d*/, hn::Vec<D> v, std::byte* to) {
    const hn::Rebind<std::uint8_t, D> d8;
    store_lanes<kStores>(d8, hn::TruncateTo(d8, v), to);
  }
};

// The vector form of to_float(). Codes are in the low bits of 32-bit lanes.
template <FloatFormat kFormat, class D>
HWY_INLINE hn::Vec<D> decode(D d, hn::Vec<hn::RebindToUnsigned<D>> codes) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;  // compares faster; nothing here is above 2^31
  if constexpr (kFormat.exponent_bits == 8) {
    return hn::BitCast(d, hn::ShiftLeft<kFormat.shift()>(codes));
  } else {
    const auto magnitude = hn::And(codes, hn::Set(du, kFormat.magnitude_mask()));
    const auto sign = hn::ShiftLeft<31 - kFormat.magnitude_bits()>(hn::Xor(codes, magnitude));
    const auto shifted = hn::ShiftLeft<kFormat.shift()>(magnitude);
    const auto least = hn::Set(du, kFormat.least_normal_f32());
    const auto small =
        hn::BitCast(du, hn::Sub(hn::BitCast(d, hn::Add(shifted, least)), hn::BitCast(d, least)));
    auto value = hn::Add(shifted, hn::Set(du, kFormat.rebias()));
    // All ones in the exponent keep the mantissa: infinity if it is zero, else NaN.
    constexpr std::uint32_t kGreatestFinite = kFormat.overflow() - (kFormat.infinities ? 1 : 0);
    const auto special = hn::Gt(hn::BitCast(di, magnitude), hn::Set(di, kGreatestFinite));
    const auto exponent = hn::IfThenElseZero(hn::RebindMask(du, special), hn::Set(du, 0x7F800000));
    value = hn::Or(value, exponent);
    const auto subnormal = hn::Lt(hn::BitCast(di, magnitude), hn::Set(di, kFormat.least_normal()));
    value = hn::IfThenElse(hn::RebindMask(du, subnormal), small, value);
    return hn::BitCast(d, hn::Or(value, sign));
  }
}

// The vector form of from_float().
template <FloatFormat kFormat, class D>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> encode(D d, hn::Vec<D> v) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(du, v);
  const auto nan = hn::RebindMask(du, hn::IsNaN(v));
  constexpr int kShift = kFormat.shift();
  const auto half_less_one = hn::Set(du, (1U << (kShift - 1)) - 1);
  if constexpr (kFormat.exponent_bits == 8) {
    const auto odd = hn::And(hn::ShiftRight<kShift>(bits), hn::Set(du, 1));
    const auto rounded = hn::Add(bits, hn::Add(half_less_one, odd));
    const auto code = hn::ShiftRight<kShift>(rounded);
    return hn::IfThenElse(nan, hn::Set(du, kFormat.nan()), code);
  } else {
    const auto magnitude = hn::And(bits, hn::Set(du, 0x7FFFFFFF));
    const auto sign = hn::Xor(bits, magnitude);
    const auto odd = hn::And(hn::ShiftRight<kShift>(bits), hn::Set(du, 1));
    const auto rebased = hn::Sub(magnitude, hn::Set(du, kFormat.rebias()));
    const auto rounded = hn::Add(rebased, hn::Add(half_less_one, odd));
    auto code = hn::Min(hn::ShiftRight<kShift>(rounded), hn::Set(du, kFormat.overflow()));
    const auto magic = hn::Set(du, kFormat.subnormal_magic_f32());
    const auto sum = hn::Add(hn::BitCast(d, magnitude), hn::BitCast(d, magic));
    const auto subnormal =
        hn::Lt(hn::BitCast(di, magnitude), hn::Set(di, kFormat.least_normal_f32()));
    code =
        hn::IfThenElse(hn::RebindMask(du, subnormal), hn::Sub(hn::BitCast(du, sum), magic), code);
    code = hn::Or(code, hn::ShiftRight<31 - kFormat.magnitude_bits()>(sign));
    return hn::IfThenElse(nan, hn::Set(du, kFormat.nan()), code);
  }
}

// 16-bit codes in f16 lanes to f32, in hardware.
template <class D>
HWY_INLINE hn::Vec<D> promote_half(D d, hn::Vec<hn::Rebind<std::uint16_t, D>> codes) {
  return hn::PromoteTo(d, hn::BitCast(hn::Rebind<hwy::float16_t, D>(), codes));
}

// f8 by way of f16, which has room for its exponents: aligned to f16's fields a code is the value
// times 2^(bias - 15), subnormals included. Only E4M3's NaN looks like a number then: 480.
template <FloatFormat kFormat, class D>
HWY_INLINE hn::Vec<D> decode_through_half(D d, hn::Vec<hn::Rebind<std::uint16_t, D>> codes) {
  const hn::Rebind<std::uint16_t, D> d16;
  constexpr int kUp = kF16.mantissa_bits - kFormat.mantissa_bits;
  const auto magnitude = hn::And(codes, hn::Set(d16, kFormat.magnitude_mask()));
  const auto sign = hn::ShiftLeft<15 - kFormat.magnitude_bits()>(hn::Xor(codes, magnitude));
  const auto value = promote_half(d, hn::Or(hn::ShiftLeft<kUp>(magnitude), sign));
  if constexpr (kFormat.infinities) {
    static_assert(kFormat.bias() == kF16.bias());
    return value;
  } else {
    const auto scaled = hn::Mul(value, hn::Set(d, 1U << (kF16.bias() - kFormat.bias())));
    const auto greatest = hn::Set(d, to_float(kFormat, kFormat.overflow()));
    const auto nan = hn::BitCast(d, hn::Set(hn::RebindToUnsigned<D>(), kNanF32));
    return hn::IfThenElse(hn::Gt(hn::Abs(scaled), greatest), nan, scaled);
  }
}

// 8- and 16-bit floats, computed in f32.
template <FloatFormat kFormat, class Storage>
struct SmallLanes {
  using Lane = float;
  static constexpr std::size_t kBytes = sizeof(Storage);
  static constexpr bool kRounds = true;

  template <class D>
  static HWY_INLINE hn::Vec<D> load(D d, const std::byte* from) {
    const auto codes = load_lanes(hn::Rebind<Storage, D>(), from);
    if constexpr (kHalfInstructions && sizeof(Storage) == 1) {
      const hn::Rebind<std::uint16_t, D> d16;
      return decode_through_half<kFormat>(d, hn::PromoteTo(d16, codes));
    } else if constexpr (kIsHalf) {
      return promote_half(d, codes);
    } else {
      return decode<kFormat>(d, hn::PromoteTo(hn::RebindToUnsigned<D>(), codes));
    }
  }

  template <Stores kStores, class D>
  static HWY_INLINE void store(D d, hn::Vec<D> v, std::byte* to) {
    const hn::Rebind<Storage, D> d_storage;
    if constexpr (kIsHalf) {
      store_lanes<kStores>(d_storage, demote_half(d, v), to);
    } else {
      store_lanes<kStores>(d_storage, hn::TruncateTo(d_storage, encode<kFormat>(d, v)), to);
    }
  }

  template <class D>
  static HWY_INLINE hn::Vec<D> rounded(D d, hn::Vec<D> v) {
    if constexpr (kIsHalf) {
      return promote_half(d, demote_half(d, v));
    } else {
      return decode<kFormat>(d, encode<kFormat>(d, v));
    }
  }

 private:
  static constexpr bool kIsHalf = kHalfInstructions && kFormat.magnitude_bits() == 15 &&
                                  kFormat.mantissa_bits == kF16.mantissa_bits;

  template <class D>
  static HWY_INLINE hn::Vec<hn::Rebind<std::uint16_t, D>> demote_half(D d, hn::Vec<D> v) {
    const auto nan = hn::BitCast(d, hn::Set(hn::RebindToUnsigned<D>(), kNanF32));
    v = hn::IfThenElse(hn::IsNaN(v), nan, v);
    return hn::BitCast(hn::Rebind<std::uint16_t, D>(),
                       hn::DemoteTo(hn::Rebind<hwy::float16_t, D>(), v));
  }
};

// ---- Operators ---------------------------------------------------------------------------------

// a < b ? a : b: the second operand where either is NaN or both are zero.
template <class V>
HWY_INLINE V select_less(V a, V b) {
  return kMinIsSelection ? hn::Min(a, b) : hn::IfThenElse(hn::Lt(a, b), a, b);
}

template <class V>
HWY_INLINE V select_greater(V a, V b) {
  return kMinIsSelection ? hn::Max(a, b) : hn::IfThenElse(hn::Gt(a, b), a, b);
}

// The two selections differ only where an operand is NaN, and in the sign of zeros. Their union of
// bits is then a NaN, and -0: what the minimum should be.
template <class V>
HWY_INLINE V float_min(V a, V b) {
  return hn::Or(select_less(a, b), select_less(b, a));
}

// As float_min(), but of +0 and -0 the maximum is +0: the union less the difference, -0 - (-0).
// Where the selections agree the difference is +0 and changes nothing.
template <class V>
HWY_INLINE V float_max(V a, V b) {
  const V x = select_greater(a, b);
  const V y = select_greater(b, a);
  return hn::Sub(hn::Or(x, y), hn::Xor(x, y));
}

template <Combine kCombine, class D>
HWY_INLINE hn::Vec<D> combine_lanes(D /*d*/, hn::Vec<D> a, hn::Vec<D> b) {
  constexpr bool kFloat = std::is_floating_point_v<hn::TFromD<D>>;
  if constexpr (kCombine == Combine::kSum) return hn::Add(a, b);
  if constexpr (kCombine == Combine::kProd) return hn::Mul(a, b);
  if constexpr (kCombine == Combine::kMin && kFloat) return float_min(a, b);
  if constexpr (kCombine == Combine::kMin && !kFloat) return hn::Min(a, b);
  if constexpr (kCombine == Combine::kMax && kFloat) return float_max(a, b);
  if constexpr (kCombine == Combine::kMax && !kFloat) return hn::Max(a, b);
  if constexpr (kCombine == Combine::kBand) return hn::And(a, b);
  if constexpr (kCombine == Combine::kBor) return hn::Or(a, b);
  if constexpr (kCombine == Combine::kBxor) return hn::Xor(a, b);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TUTTI_KERNELS_LANES_INL_H

// The 8- and 16-bit floating point formats: how their bits convert to f32 and back. The scalar
// truth that the vector kernels (lanes-inl.h) are tested against.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace tutti {

/// A binary format of 1 sign bit, `exponent_bits` and `mantissa_bits`, at most 16 in all, laid out
/// like IEEE 754 with bias 2^(exponent_bits-1) - 1 and subnormals. With `infinities` the highest
/// exponent means infinity and NaN, as in IEEE 754; without, only the code with all bits set is
/// NaN (OCP 8-bit Floating Point Specification, E4M3), and the largest finite value saturates.
struct FloatFormat {
  int exponent_bits;
  int mantissa_bits;
  bool infinities;

  /// Where the sign is: the number of bits below it.
  constexpr int magnitude_bits() const { return exponent_bits + mantissa_bits; }
  constexpr std::uint32_t magnitude_mask() const { return (1U << magnitude_bits()) - 1; }
  constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  /// The code of the least normal value.
  constexpr std::uint32_t least_normal() const { return 1U << mantissa_bits; }
  /// +infinity, or, where the format has none, the largest finite value: what overflow gives.
  constexpr std::uint32_t overflow() const {
    return infinities ? magnitude_mask() & ~(least_normal() - 1) : magnitude_mask() - 1;
  }
  /// The one NaN that conversions give: positive, quiet, no payload.
  constexpr std::uint32_t nan() const {
    return infinities ? overflow() | least_normal() >> 1 : magnitude_mask();
  }

  // The same format seen from f32 (8 exponent bits, bias 127, 23 mantissa bits).

  /// How far a code moves left so that its mantissa ends up where an f32 has it.
  constexpr int shift() const { return 23 - mantissa_bits; }
  /// What is added to a shifted code to turn its exponent into that of an f32.
  constexpr std::uint32_t rebias() const { return static_cast<std::uint32_t>(127 - bias()) << 23; }
  /// f32 bits of the least normal value, 2^(1 - bias).
  constexpr std::uint32_t least_normal_f32() const { return rebias() + (1U << 23); }
  /// f32 bits of the power of two whose unit in the last place is this format's least subnormal,
  /// 2^(1 - bias - mantissa_bits): adding it to a smaller number rounds that to a subnormal code.
  constexpr std::uint32_t subnormal_magic_f32() const {
    return static_cast<std::uint32_t>(127 + 24 - bias() - mantissa_bits) << 23;
  }
};

inline constexpr FloatFormat kF16{5, 10, true};
inline constexpr FloatFormat kBF16{8, 7, true};
inline constexpr FloatFormat kF8E4M3{4, 3, false};
inline constexpr FloatFormat kF8E5M2{5, 2, true};

inline constexpr std::uint32_t kNanF32 = 0x7FC00000;
inline constexpr std::uint64_t kNanF64 = 0x7FF8000000000000;

/// The f32 of the same value. Exact; a NaN becomes the canonical one, kNanF32.
constexpr float to_float(FloatFormat format, std::uint32_t code) {
  const std::uint32_t magnitude = code & format.magnitude_mask();
  const std::uint32_t sign = (code >> format.magnitude_bits()) << 31;
  const std::uint32_t shifted = magnitude << format.shift();
  if (format.infinities ? magnitude > format.overflow() : magnitude == format.nan()) {
    return std::bit_cast<float>(kNanF32);
  }
  if (format.infinities && magnitude == format.overflow()) {
    return std::bit_cast<float>(sign | 0x7F800000U);
  }
  if (magnitude >= format.least_normal()) {
    return std::bit_cast<float>(sign | (shifted + format.rebias()));
  }
  // A subnormal lacks the implicit one: pretend that it is there, then take it away.
  const std::uint32_t least_normal = format.least_normal_f32();
  const float value =
      std::bit_cast<float>(shifted + least_normal) - std::bit_cast<float>(least_normal);
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
}

/// The code of the nearest value, ties to even. Beyond the largest finite value: infinity, or, in a
/// format without, the largest finite value (an f32 infinity saturates too). NaN: format.nan().
/// Needs the default rounding mode.
constexpr std::uint32_t from_float(FloatFormat format, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  const std::uint32_t sign = (bits >> 31) << format.magnitude_bits();
  if (magnitude > 0x7F800000U) return format.nan();
  if (magnitude < format.least_normal_f32()) {
    const float magic = std::bit_cast<float>(format.subnormal_magic_f32());
    const float sum = std::bit_cast<float>(magnitude) + magic;
    return sign | (std::bit_cast<std::uint32_t>(sum) - format.subnormal_magic_f32());
  }
  const std::uint32_t half_less_one = (1U << (format.shift() - 1)) - 1;
  const std::uint32_t odd = (magnitude >> format.shift()) & 1;
  const std::uint32_t rounded = magnitude - format.rebias() + half_less_one + odd;
  return sign | std::min(rounded >> format.shift(), format.overflow());
}

}  // namespace tutti

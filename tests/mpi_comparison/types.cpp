#include "tests/mpi_comparison/types.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

namespace tutti::test {
namespace {

using Bits = std::uint64_t;

// Elements are little-endian, as everything that this runs on.
static_assert(std::endian::native == std::endian::little);

Bits load(const Dtype& dtype, const std::byte* element) {
  Bits bits = 0;
  std::memcpy(&bits, element, dtype.bytes);
  return bits;
}

void store(const Dtype& dtype, Bits bits, std::byte* element) {
  std::memcpy(element, &bits, dtype.bytes);
}

/// ±2^exponent · (1 + mantissa / 2^mantissa_bits), with what the mantissa has too much cut off.
Bits float_bits(const Dtype& dtype, bool negative, int exponent, Bits mantissa) {
  const Bits sign = negative ? 1 : 0;
  const Bits fraction = mantissa & ((Bits{1} << dtype.mantissa_bits) - 1);
  return (((sign << dtype.exponent_bits) | static_cast<Bits>(exponent + dtype.bias()))
          << dtype.mantissa_bits) |
         fraction;
}

/// A number near 1: eight of them multiply to at least 0.75^8 and less than 1.5^8, which is in the
/// normal range of all formats. Exact: a power of two, which only the exponent must hold.
Bits factor_bits(const Dtype& dtype, Values values, Random& random) {
  const bool negative = random.chance(50);
  if (values == Values::kExact) return float_bits(dtype, negative, random.below(3) - 1, 0);
  const Bits upper_half = Bits{1} << (dtype.mantissa_bits - 1);
  const bool below_one = random.chance(50);
  const Bits mantissa = random.next();
  return float_bits(dtype, negative, below_one ? -1 : 0,
                    below_one ? mantissa | upper_half : mantissa & ~upper_half);
}

/// A number to be summed: less than 2^5 in size, so that eight of them stay below 448. Exact: 0 or
/// ±2^k with k so small that the sum of all ranks' magnitudes is an integer that the format holds.
Bits summand_bits(const Dtype& dtype, Values values, Random& random) {
  const bool negative = random.chance(50);
  if (values == Values::kRough)
    return float_bits(dtype, negative, random.below(9) - 4, random.next());
  const int exponents = dtype.mantissa_bits + 1 - kMostRanksBits + 1;
  const int exponent = random.below(exponents + 1) - 1;
  return exponent < 0 ? 0 : float_bits(dtype, negative, exponent, 0);
}

void fill(std::span<std::byte> bytes, Random& random) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(Bits)) {
    const Bits bits = random.next();
    std::memcpy(&bytes[at], &bits, std::min(sizeof(Bits), bytes.size() - at));
  }
}

Bits element_bits(const Dtype& dtype, const Op* op, Values values, Random& random) {
  if (op->kind == Op::Kind::kProduct) return factor_bits(dtype, values, random);
  return summand_bits(dtype, values, random);
}

}  // namespace

double Dtype::rounding(int operations) const {
  const int intermediate_bits = bytes < sizeof(float) ? 24 : 53;
  double growth = 0;  // the logarithm: 1 + 2^-53 is 1 in a double
  for (const int bits : {mantissa_bits + 1, intermediate_bits, 53})
    growth += std::log1p(std::ldexp(1, -bits));
  return std::expm1(operations * growth);
}

double Dtype::underflow() const { return std::ldexp(1, 1 - bias() - mantissa_bits - 1); }

std::span<const Dtype> all_dtypes() {
  static const std::array<Dtype, 12> kDtypes = {{
      {"i8", TUTTI_I8, 1, MPI_UINT8_T, MPI_INT8_T},
      {"u8", TUTTI_U8, 1, MPI_UINT8_T, MPI_UINT8_T, false},
      {"i32", TUTTI_I32, 4, MPI_UINT32_T, MPI_INT32_T},
      {"u32", TUTTI_U32, 4, MPI_UINT32_T, MPI_UINT32_T, false},
      {"i64", TUTTI_I64, 8, MPI_UINT64_T, MPI_INT64_T},
      {"u64", TUTTI_U64, 8, MPI_UINT64_T, MPI_UINT64_T, false},
      {"f16", TUTTI_F16, 2, MPI_UINT16_T, MPI_DOUBLE, true, 5, 10},
      {"f32", TUTTI_F32, 4, MPI_UINT32_T, MPI_DOUBLE, true, 8, 23},
      {"f64", TUTTI_F64, 8, MPI_UINT64_T, MPI_DOUBLE, true, 11, 52},
      {"bf16", TUTTI_BF16, 2, MPI_UINT16_T, MPI_DOUBLE, true, 8, 7},
      {"f8e4m3", TUTTI_F8E4M3, 1, MPI_UINT8_T, MPI_DOUBLE, true, 4, 3, false},
      {"f8e5m2", TUTTI_F8E5M2, 1, MPI_UINT8_T, MPI_DOUBLE, true, 5, 2},
  }};
  return kDtypes;
}

std::span<const Op> all_ops() {
  using Kind = Op::Kind;
  static const std::array<Op, 9> kOps = {{
      {"sum", Kind::kSum, TUTTI_SUM, MPI_SUM},
      {"pre-scaled sum", Kind::kScaledSum, 0, MPI_SUM},
      {"avg", Kind::kAverage, TUTTI_AVG, MPI_SUM},
      {"prod", Kind::kProduct, TUTTI_PROD, MPI_PROD},
      {"min", Kind::kExtreme, TUTTI_MIN, MPI_MIN},
      {"max", Kind::kExtreme, TUTTI_MAX, MPI_MAX},
      {"band", Kind::kBitwise, TUTTI_BAND, MPI_BAND},
      {"bor", Kind::kBitwise, TUTTI_BOR, MPI_BOR},
      {"bxor", Kind::kBitwise, TUTTI_BXOR, MPI_BXOR},
  }};
  return kOps;
}

bool supports(const Dtype& dtype, const Op& op) {
  return !dtype.is_float() || op.kind != Op::Kind::kBitwise;
}

std::vector<std::byte> draw_elements(const Dtype& dtype, const Op* op, Values values,
                                     std::size_t count, Random& random) {
  std::vector<std::byte> elements(count * dtype.bytes);
  if (values == Values::kBits) {
    fill(elements, random);
    return elements;
  }
  for (std::size_t e = 0; e < count; ++e)
    store(dtype, element_bits(dtype, op, values, random), &elements[e * dtype.bytes]);
  return elements;
}

std::vector<std::byte> draw_scalar(const Dtype& dtype, Values values, Random& random) {
  std::vector<std::byte> scalar(dtype.bytes);
  const bool sign_only = values == Values::kExact;  // else sums would take a bit more
  store(dtype,
        !dtype.is_float() ? random.next()
        : sign_only       ? float_bits(dtype, random.chance(50), 0, 0)
                          : factor_bits(dtype, values, random),
        scalar.data());
  return scalar;
}

double value_of(const Dtype& dtype, const std::byte* element) {
  const Bits bits = load(dtype, element);
  const Bits mantissa = bits & ((Bits{1} << dtype.mantissa_bits) - 1);
  const Bits highest = (Bits{1} << dtype.exponent_bits) - 1;
  const Bits field = (bits >> dtype.mantissa_bits) & highest;
  const Bits all_set = (Bits{1} << dtype.mantissa_bits) - 1;
  if (field == highest && (dtype.has_infinity || mantissa == all_set))
    return std::numeric_limits<double>::quiet_NaN();
  const Bits sign = bits >> (dtype.exponent_bits + dtype.mantissa_bits) << 63;
  if (field == 0) {  // zero or subnormal
    const double size =
        std::ldexp(static_cast<double>(mantissa), 1 - dtype.bias() - dtype.mantissa_bits);
    return sign != 0 ? -size : size;
  }
  const Bits exponent = field + static_cast<Bits>(1023 - dtype.bias());
  return std::bit_cast<double>(sign | (exponent << 52) | (mantissa << (52 - dtype.mantissa_bits)));
}

std::vector<double> values_of(const Dtype& dtype, std::span<const std::byte> elements) {
  std::vector<double> values(elements.size() / dtype.bytes);
  for (std::size_t e = 0; e < values.size(); ++e)
    values[e] = value_of(dtype, &elements[e * dtype.bytes]);
  return values;
}

std::vector<std::byte> scaled(const Dtype& dtype, std::span<const std::byte> elements,
                              const std::byte* scalar) {
  // Whatever the signs: the low bytes of a product are those of its low bytes.
  std::vector<std::byte> products(elements.size());
  for (std::size_t at = 0; at < elements.size(); at += dtype.bytes)
    store(dtype, load(dtype, &elements[at]) * load(dtype, scalar), &products[at]);
  return products;
}

void divide(const Dtype& dtype, std::span<std::byte> elements, int divisor) {
  const auto unused_bits = static_cast<int>(64 - 8 * dtype.bytes);
  for (std::size_t at = 0; at < elements.size(); at += dtype.bytes) {
    const Bits bits = load(dtype, &elements[at]);
    const auto extended = static_cast<std::int64_t>(bits << unused_bits) >> unused_bits;
    store(
        dtype,
        dtype.has_sign ? static_cast<Bits>(extended / divisor) : bits / static_cast<Bits>(divisor),
        &elements[at]);
  }
}

std::string text_of(const Dtype& dtype, const std::byte* element) {
  char text[64];
  const auto bits = static_cast<unsigned long long>(load(dtype, element));
  if (dtype.is_float())
    std::snprintf(text, sizeof(text), "0x%llx (%.17g)", bits, value_of(dtype, element));
  else
    std::snprintf(text, sizeof(text), "0x%llx", bits);
  return text;
}

}  // namespace tutti::test

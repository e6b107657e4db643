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
  std::memcpy(&bits, element, dtype.number_bytes());
  return bits;
}

void store(const Dtype& dtype, Bits bits, std::byte* element) {
  std::memcpy(element, &bits, dtype.number_bytes());
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

/// What ours finds through its context; MPI's have none.
constexpr Bits kWeight = 2'654'435'761;

template <typename Combine>
void combine_each(const void* in, void* inout, std::size_t count, Combine combine) {
  const std::span from(static_cast<const Bits*>(in), count), to(static_cast<Bits*>(inout), count);
  for (std::size_t e = 0; e < count; ++e) to[e] = combine(from[e], to[e]);
}

/// Associative and commutative: (1 + w·a)(1 + w·b) = 1 + w·(a + b + w·a·b).
void weighted(const void* in, void* inout, std::size_t count, Bits weight) {
  combine_each(in, inout, count, [=](Bits a, Bits b) { return a + b + weight * a * b; });
}

/// Associative, but not commutative: halves are the factor and the summand of x -> factor·x +
/// summand, and one such map goes into the next.
void composed(const void* in, void* inout, std::size_t count) {
  combine_each(in, inout, count, [](Bits a, Bits b) {
    const Bits factor = (a >> 32) * (b >> 32);
    const Bits summand = (a >> 32) * b + a;
    return factor << 32 | (summand & 0xFFFFFFFF);
  });
}

void our_weighted(const void* in, void* inout, std::size_t count, tutti_dtype /*dtype*/,
                  void* context) {
  weighted(in, inout, count, *static_cast<const Bits*>(context));
}

void our_composed(const void* in, void* inout, std::size_t count, tutti_dtype /*dtype*/,
                  void* /*context*/) {
  composed(in, inout, count);
}

void their_weighted(void* in, void* inout, int* count, MPI_Datatype* /*type*/) {
  weighted(in, inout, static_cast<std::size_t>(*count), kWeight);
}

void their_composed(void* in, void* inout, int* count, MPI_Datatype* /*type*/) {
  composed(in, inout, static_cast<std::size_t>(*count));
}

/// Lives as long as MPI does.
MPI_Op created(MPI_User_function* function, bool commutes) {
  MPI_Op op = MPI_OP_NULL;
  MPI_Op_create(function, commutes ? 1 : 0, &op);
  return op;
}

Bits element_bits(const Dtype& dtype, const Op& op, Values values, Random& random) {
  if (op.kind == Op::Kind::kProduct) return factor_bits(dtype, values, random);
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
  static const std::array<Dtype, 14> kDtypes = {{
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
      {"f32_i32", TUTTI_F32_I32, 8, MPI_UINT64_T, MPI_FLOAT_INT, true, 8, 23, true, true},
      {"f64_i32", TUTTI_F64_I32, 16, MPI_C_DOUBLE_COMPLEX, MPI_DOUBLE_INT, true, 11, 52, true,
       true},
  }};
  return kDtypes;
}

std::span<const Op> all_ops() {
  using Kind = Op::Kind;
  static const std::array<Op, 13> kOps = {{
      {"sum", Kind::kSum, TUTTI_SUM, MPI_SUM},
      {"pre-scaled sum", Kind::kScaledSum, 0, MPI_SUM},
      {"avg", Kind::kAverage, TUTTI_AVG, MPI_SUM},
      {"prod", Kind::kProduct, TUTTI_PROD, MPI_PROD},
      {"min", Kind::kExtreme, TUTTI_MIN, MPI_MIN},
      {"max", Kind::kExtreme, TUTTI_MAX, MPI_MAX},
      {"band", Kind::kBitwise, TUTTI_BAND, MPI_BAND},
      {"bor", Kind::kBitwise, TUTTI_BOR, MPI_BOR},
      {"bxor", Kind::kBitwise, TUTTI_BXOR, MPI_BXOR},
      {"min_index", Kind::kIndex, TUTTI_MIN_INDEX, MPI_MINLOC},
      {"max_index", Kind::kIndex, TUTTI_MAX_INDEX, MPI_MAXLOC},
      {"a function", Kind::kFunction, 0, created(their_weighted, true), our_weighted, true},
      {"a function in order", Kind::kFunction, 0, created(their_composed, false), our_composed,
       false},
  }};
  return kOps;
}

bool supports(const Dtype& dtype, const Op& op) {
  if (op.kind == Op::Kind::kFunction) return dtype.bytes == sizeof(Bits);
  if (op.kind == Op::Kind::kIndex || dtype.is_pair)
    return op.kind == Op::Kind::kIndex && dtype.is_pair;
  return !dtype.is_float() || op.kind != Op::Kind::kBitwise;
}

tutti_status create_function(tutti_op* op, const Op& of, tutti_comm* comm) {
  static Bits weight = kWeight;
  return tutti_op_create(op, of.function, &weight, of.commutes ? 1 : 0, comm);
}

std::vector<std::byte> draw_elements(const Dtype& dtype, const Op* op, Values values,
                                     std::size_t count, Random& random) {
  std::vector<std::byte> elements(count * dtype.bytes);
  if (values == Values::kBits || dtype.is_pair) fill(elements, random);
  for (std::size_t e = 0; values != Values::kBits && e < count; ++e) {
    std::byte* const element = &elements[e * dtype.bytes];
    store(dtype, element_bits(dtype, *op, values, random), element);
    const std::int32_t index = random.below(16) - 8;
    if (dtype.is_pair) std::memcpy(element + dtype.number_bytes(), &index, sizeof(index));
  }
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

void clear_padding(const Dtype& dtype, std::span<std::byte> elements) {
  const std::size_t used = dtype.number_bytes() + sizeof(std::int32_t);
  for (std::size_t at = 0; at < elements.size(); at += dtype.bytes)
    std::memset(&elements[at] + used, 0, dtype.bytes - used);
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
  std::int32_t index = 0;
  if (dtype.is_pair) std::memcpy(&index, element + dtype.number_bytes(), sizeof(index));
  if (dtype.is_pair)
    std::snprintf(text, sizeof(text), "(%.17g, %d)", value_of(dtype, element), index);
  else if (dtype.is_float())
    std::snprintf(text, sizeof(text), "0x%llx (%.17g)", bits, value_of(dtype, element));
  else
    std::snprintf(text, sizeof(text), "0x%llx", bits);
  return text;
}

}  // namespace tutti::test

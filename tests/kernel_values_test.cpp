// What the kernels compute: conversions proven over every code, all pairs of f8 values, all f16 and
// bf16 values against awkward partners; and the rules of reduce.h in examples worked by hand.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernels/reduce.h"
#include "kernels/reduce_reference.h"
#include "kernels/simd.h"
#include "kernels/small_float.h"
#include "tests/catch.h"
#include "tests/kernel_operands.h"

namespace tutti {
namespace {

struct SmallDtype {
  Dtype dtype;
  FloatFormat format;
};
constexpr SmallDtype kSmallDtypes[] = {{Dtype::kF16, kF16},
                                       {Dtype::kBF16, kBF16},
                                       {Dtype::kF8E4M3, kF8E4M3},
                                       {Dtype::kF8E5M2, kF8E5M2}};
constexpr Combine kArithmetic[] = {Combine::kSum, Combine::kProd, Combine::kMin, Combine::kMax};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The value of a code by the textbook: (-1)^sign · 2^(exponent - bias) · mantissa.
double textbook_value(FloatFormat format, std::uint32_t code) {
  const std::uint32_t mantissa = code & (format.least_normal() - 1);
  const int exponent = static_cast<int>((code & format.magnitude_mask()) / format.least_normal());
  const double sign = (code >> format.magnitude_bits()) != 0 ? -1 : 1;
  const std::uint32_t implicit = exponent == 0 ? 0 : format.least_normal();
  return sign * std::ldexp(implicit + mantissa,
                           std::max(exponent, 1) - format.bias() - format.mantissa_bits);
}

// Reduces arrays, or one element, on the instruction set in use.
template <class T>
std::vector<T> reduce_now(Dtype dtype, Combine combine, ReduceShape shape,
                          const std::vector<std::vector<T>>& sources, std::uint32_t divisor = 1) {
  std::vector<const void*> pointers;
  for (const auto& source : sources) pointers.push_back(source.data());
  std::vector<T> result(sources[0].size());
  reduce_kernel(dtype, combine, shape)(result.data(), pointers.data(), pointers.size(),
                                       result.size(), {divisor}, Stores::kCached);
  return result;
}

template <class T>
T reduce_one(Dtype dtype, Combine combine, ReduceShape shape, const std::vector<T>& operands,
             std::uint32_t divisor = 1) {
  std::vector<std::vector<T>> sources;
  for (const T operand : operands) sources.push_back({operand});
  return reduce_now(dtype, combine, shape, sources, divisor)[0];
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// Combines every element of `a` with that of `b` on every instruction set, and compares.
template <class T>
void check_pairs(Dtype dtype, const std::vector<T>& a, const std::vector<T>& b) {
  const void* const sources[] = {a.data(), b.data()};
  for (const Combine combine : kArithmetic) {
    for (const std::uint32_t divisor : {1U, 3U}) {
      std::vector<T> expected(a.size()), result(a.size());
      reduce_reference(dtype, combine, ReduceShape::kFold)(expected.data(), sources, 2, a.size(),
                                                           {divisor}, Stores::kCached);
      for (const std::string& target : simd_targets()) {
        use_simd_target(target);
        INFO(target << " " << name_of(dtype) << " " << name_of(combine) << " / " << divisor);
        reduce_kernel(dtype, combine, ReduceShape::kFold)(result.data(), sources, 2, a.size(),
                                                          {divisor}, Stores::kCached);
        CHECK(same_bits(result, expected));
      }
    }
  }
  use_simd_target("");
}

}  // namespace

TEST_CASE("every code of an 8- or 16-bit float has the textbook's value, and converts back") {
  for (const auto& [dtype, format] : kSmallDtypes) {
    INFO(name_of(dtype));
    int wrong = 0;
    for (std::uint32_t code = 0; code <= 2 * format.magnitude_mask() + 1; ++code) {
      const float value = to_float(format, code);
      const std::uint32_t magnitude = code & format.magnitude_mask();
      if (format.infinities && magnitude == format.overflow()) {
        wrong += value != (magnitude == code ? kInfinity : -kInfinity);
      } else if (magnitude > format.overflow()) {
        wrong += std::bit_cast<std::uint32_t>(value) != kNanF32;
        wrong += from_float(format, value) != format.nan();
        continue;
      } else {
        wrong += static_cast<double>(value) != textbook_value(format, code);
      }
      wrong += from_float(format, value) != code;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a float between two codes becomes the nearer one, and the even one from half way") {
  for (const auto& [dtype, format] : kSmallDtypes) {
    INFO(name_of(dtype));
    int wrong = 0;
    const std::uint32_t finite = format.overflow() - (format.infinities ? 1 : 0);
    for (std::uint32_t code = 0; code < finite; ++code) {
      const float low = to_float(format, code), high = to_float(format, code + 1);
      const float middle = low + (high - low) / 2;  // exact: f32 has bits to spare
      const std::uint32_t even = code + (code & 1);
      wrong += from_float(format, middle) != even;
      wrong += from_float(format, std::nextafter(middle, 0.0F)) != code;
      wrong += from_float(format, std::nextafter(middle, kInfinity)) != code + 1;
      wrong += from_float(format, -middle) != (even | (format.magnitude_mask() + 1));
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("beyond the largest value e4m3 saturates and the others become infinite") {
  CHECK(to_float(kF8E4M3, kF8E4M3.overflow()) == 448.0F);
  for (const float large : {449.0F, 464.0F, 480.0F, 1e30F, kInfinity}) {
    CHECK(from_float(kF8E4M3, large) == 0x7E);
    CHECK(from_float(kF8E4M3, -large) == 0xFE);
  }
  CHECK(from_float(kF8E5M2, 61439.0F) == 0x7B);  // 57344, the largest
  CHECK(from_float(kF8E5M2, 61440.0F) == 0x7C);  // half way to what would come next
  CHECK(from_float(kF16, 65519.0F) == 0x7BFF);
  CHECK(from_float(kF16, 65520.0F) == 0x7C00);
  CHECK(from_float(kBF16, std::numeric_limits<float>::max()) == 0x7F80);
  CHECK(from_float(kF16, -kInfinity) == 0xFC00);
}

TEST_CASE("all pairs of f8 values combine as in the reference, on every instruction set") {
  std::vector<std::uint8_t> a, b;
  for (int i = 0; i < 65536; ++i) {
    a.push_back(static_cast<std::uint8_t>(i & 255));
    b.push_back(static_cast<std::uint8_t>(i >> 8));
  }
  check_pairs(Dtype::kF8E4M3, a, b);
  check_pairs(Dtype::kF8E5M2, a, b);
}

TEST_CASE("all f16 and bf16 values combine with awkward partners as in the reference") {
  std::vector<std::uint16_t> all, partners;
  for (int i = 0; i < 65536; ++i) all.push_back(static_cast<std::uint16_t>(i));
  Random random(test_seed());
  const std::uint64_t rounds = std::max<std::uint64_t>(32 / test_share(), 2);
  for (const Dtype dtype : {Dtype::kF16, Dtype::kBF16}) {
    for (std::uint64_t round = 0; round < rounds; ++round) {
      partners.clear();
      const auto same = static_cast<std::uint16_t>(random_element(dtype, random));
      for (int i = 0; i < 65536; ++i) {
        const auto own = static_cast<std::uint16_t>(random_element(dtype, random));
        partners.push_back(round % 2 == 0 ? same : own);
      }
      INFO("seed=" << test_seed() << " round " << round << " partner " << same);
      check_pairs(dtype, all, partners);
      check_pairs(dtype, partners, all);
    }
  }
}

TEST_CASE("all f8 and f16 values scale and round between nodes as in the reference") {
  std::vector<std::uint16_t> all;
  for (int i = 0; i < 65536; ++i) all.push_back(static_cast<std::uint16_t>(i));
  Random random(test_seed());
  for (const auto& [dtype, format] : kSmallDtypes) {
    const std::size_t count = 2 * 65536 / size_of(dtype);
    const void* const sources[] = {all.data(), all.data(), all.data(), all.data(), all.data()};
    const auto scalar = static_cast<std::uint16_t>(random_element(dtype, random));
    std::vector<std::uint16_t> expected(65536), result(65536), scaled(65536), scaled_result(65536);
    reduce_reference(dtype, Combine::kSum, ReduceShape::kBalanced)(expected.data(), sources, 5,
                                                                   count, {3}, Stores::kCached);
    scale_reference(dtype)(scaled.data(), all.data(), count, &scalar);
    for (const std::string& target : simd_targets()) {
      use_simd_target(target);
      INFO(target << " " << name_of(dtype) << " scalar " << scalar << " seed=" << test_seed());
      reduce_kernel(dtype, Combine::kSum, ReduceShape::kBalanced)(result.data(), sources, 5, count,
                                                                  {3}, Stores::kCached);
      CHECK(result == expected);
      scale_kernel(dtype)(scaled_result.data(), all.data(), count, &scalar);
      CHECK(scaled_result == scaled);
    }
    use_simd_target("");
  }
}

TEST_CASE("a NaN in any input gives the canonical NaN, whatever its payload, order and place") {
  const float quiet = std::bit_cast<float>(0xFFC12345U);
  const float signalling = std::bit_cast<float>(0x7F800001U);
  for (const std::string& target : simd_targets()) {
    use_simd_target(target);
    for (const Combine combine : kArithmetic) {
      for (const float nan : {quiet, signalling}) {
        INFO(target << " " << name_of(combine));
        for (std::size_t place = 0; place < 3; ++place) {
          std::vector<std::vector<float>> sources(3, std::vector<float>(37, 1.5F));
          sources[place].assign(37, nan);
          for (const float result : reduce_now(Dtype::kF32, combine, ReduceShape::kFold, sources)) {
            CHECK(std::bit_cast<std::uint32_t>(result) == kNanF32);
          }
        }
      }
    }
    const auto difference =
        reduce_one<float>(Dtype::kF32, Combine::kSum, ReduceShape::kFold, {kInfinity, -kInfinity});
    CHECK(std::bit_cast<std::uint32_t>(difference) == kNanF32);
  }
  use_simd_target("");
}

TEST_CASE("min and max tell the zeros apart, in either order") {
  constexpr auto kFold = ReduceShape::kFold;
  CHECK(std::signbit(reduce_one<float>(Dtype::kF32, Combine::kMin, kFold, {0.0F, -0.0F})));
  CHECK(std::signbit(reduce_one<float>(Dtype::kF32, Combine::kMin, kFold, {-0.0F, 0.0F})));
  CHECK_FALSE(std::signbit(reduce_one<float>(Dtype::kF32, Combine::kMax, kFold, {0.0F, -0.0F})));
  CHECK_FALSE(std::signbit(reduce_one<double>(Dtype::kF64, Combine::kMax, kFold, {-0.0, 0.0})));
}

TEST_CASE("integers wrap around, and divide towards zero") {
  constexpr auto kFold = ReduceShape::kFold;
  CHECK(reduce_one<std::int8_t>(Dtype::kI8, Combine::kSum, kFold, {100, 100}) == -56);
  CHECK(reduce_one<std::uint8_t>(Dtype::kU8, Combine::kProd, kFold, {16, 17}) == 16);
  CHECK(reduce_one<std::int32_t>(Dtype::kI32, Combine::kSum, kFold, {-4, -3}, 2) == -3);
  CHECK(reduce_one<std::int8_t>(Dtype::kI8, Combine::kSum, kFold, {-100, 1}, 4) == -24);
  CHECK(reduce_one<std::int64_t>(Dtype::kI64, Combine::kSum, kFold, {INT64_MIN, 1}, 2) ==
        -4611686018427387903);
  CHECK(reduce_one<std::uint64_t>(Dtype::kU64, Combine::kSum, kFold, {UINT64_MAX, 0}, 3) ==
        6148914691236517205U);
  CHECK(reduce_one<std::uint32_t>(Dtype::kU32, Combine::kSum, kFold, {4294967295U}, 2) ==
        2147483647U);
}

TEST_CASE("a fold of 16-bit floats rounds once, a balanced tree at every node") {
  // bf16 has 8 bits: 256 + 1 needs nine. In f32 four ones count, one by one they are lost.
  const auto big = static_cast<std::uint16_t>(from_float(kBF16, 256));
  const auto one = static_cast<std::uint16_t>(from_float(kBF16, 1));
  const auto sum = [](ReduceShape shape, const std::vector<std::uint16_t>& operands) {
    return to_float(kBF16, reduce_one(Dtype::kBF16, Combine::kSum, shape, operands));
  };
  CHECK(sum(ReduceShape::kFold, {big, one, one, one}) == 260);  // 259, to even
  CHECK(sum(ReduceShape::kFold, {big, one}) == 256);
  CHECK(sum(ReduceShape::kBalanced, {big, one, one, one}) == 258);  // 256 + 2
}

TEST_CASE("a balanced tree pairs up the first operands when they are no power of two") {
  // 2^24 + 1 is 2^24 in f32: what survives tells which operands met first.
  const float big = 16777216;
  const auto sum = [](const std::vector<float>& operands) {
    return reduce_one(Dtype::kF32, Combine::kSum, ReduceShape::kBalanced, operands);
  };
  CHECK(sum({big, 1, 1, 1}) == big + 2);           // (big+1) + (1+1)
  CHECK(sum({big, 1, 1, 1, 1}) == big + 2);        // ((big+1) + 1) + (1+1)
  CHECK(sum({1, 1, 1, 1, big}) == big + 4);        // ((1+1) + 1) + (1+big): big+3, to even
  CHECK(sum({1, 1, big, 1, 1, 1}) == big + 4);     // ((1+1) + (big+1)) + (1+1)
  CHECK(sum({big, 1, 1, 1, 1, 1, 1}) == big + 4);  // ((big+1) + (1+1)) + ((1+1) + 1), to even
}

TEST_CASE("min and max with index: the lower index of equals, zeros told apart, NaN first") {
  struct Pair {
    double value;
    std::int32_t index, padding;
  };
  const auto take = [](Combine combine, const std::vector<Pair>& operands) {
    return reduce_one(Dtype::kF64I32, combine, ReduceShape::kFold, operands);
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(take(Combine::kMinIndex, {{2, 0, 0}, {-1, 7, 0}, {3, -9, 0}}).index == 7);
  CHECK(take(Combine::kMaxIndex, {{2, 0, 0}, {-1, 7, 0}, {3, -9, 0}}).index == -9);
  CHECK(take(Combine::kMaxIndex, {{5, 8, 0}, {5, 3, 0}, {5, 4, 0}}).index == 3);
  CHECK(take(Combine::kMinIndex, {{0.0, 1, 0}, {-0.0, 2, 0}}).index == 2);
  CHECK(take(Combine::kMaxIndex, {{-0.0, 1, 0}, {0.0, 2, 0}}).index == 2);
  CHECK(take(Combine::kMinIndex, {{1, 1, 0}, {nan, 9, 0}, {-nan, 5, 0}, {0, 2, 0}}).index == 5);
  CHECK(take(Combine::kMaxIndex, {{kInfinity, 1, 0}, {-nan, 9, 0}}).index == 9);
  CHECK_FALSE(std::signbit(take(Combine::kMaxIndex, {{1, 1, 0}, {-nan, 9, 0}}).value));
  CHECK(take(Combine::kMinIndex, {{1, 1, 77}, {2, 1, 88}}).padding == 0);
}

TEST_CASE("one source without a divisor is copied with all its bits") {
  const std::vector<std::uint32_t> bits(70, 0x7F812345U);
  for (const ReduceShape shape : {ReduceShape::kFold, ReduceShape::kBalanced}) {
    CHECK(reduce_now<std::uint32_t>(Dtype::kF32, Combine::kSum, shape, {bits}) == bits);
  }
}

}  // namespace tutti

#include "tests/kernel_operands.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <string>

#include "kernels/small_float.h"
#include "tests/settings.h"

namespace tutti {
namespace {

constexpr std::size_t kLineBytes = 64;

std::uint64_t draw_seed() {
  const std::uint64_t seed = test::setting("TUTTI_SEED", std::random_device()());
  std::printf("seed %llu (repeat with TUTTI_SEED=%llu)\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(seed));
  return seed;
}

FloatFormat format_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF16:
      return kF16;
    case Dtype::kBF16:
      return kBF16;
    case Dtype::kF8E4M3:
      return kF8E4M3;
    case Dtype::kF8E5M2:
      return kF8E5M2;
    case Dtype::kF32:
      return {8, 23, true};
    default:
      return {11, 52, true};
  }
}

// Zero, least subnormal, greatest subnormal, least normal, one, greatest finite and what follows
// it: infinity, a signalling NaN, a quiet one (E4M3 has but its NaN there), each with a sign.
std::uint64_t special_float(Dtype dtype, Random& random) {
  const FloatFormat format = format_of(dtype);
  const int mantissa = format.mantissa_bits;
  const std::uint64_t least_normal = std::uint64_t{1} << mantissa;
  const std::uint64_t top = (std::uint64_t{1} << format.magnitude_bits()) - least_normal;
  const std::uint64_t one =
      (std::uint64_t{1} << (format.exponent_bits - 1)) * least_normal - least_normal;
  const std::uint64_t values[] = {0,   1,       least_normal - 1, least_normal,          one,
                                  top, top - 1, top + 1,          top + least_normal / 2};
  const std::uint64_t sign = (random() & 1) << format.magnitude_bits();
  return values[random() % std::size(values)] | sign;
}

std::uint64_t special_integer(Random& random) {
  constexpr std::uint64_t kTop = std::uint64_t{1} << 63;
  const std::uint64_t values[] = {0, 1, ~std::uint64_t{0}, kTop, kTop - 1, kTop >> 32, 0x7F, 0x80};
  return values[random() % std::size(values)];
}

std::uint64_t small_number(Dtype dtype, Random& random) {
  const int value = static_cast<int>(random() % 2001) - 1000;
  if (is_integer(dtype)) return static_cast<std::uint64_t>(value);
  const double real = value / 256.0 * 1.1;
  if (dtype == Dtype::kF64) return std::bit_cast<std::uint64_t>(real);
  const auto single = static_cast<float>(real);
  if (dtype == Dtype::kF32) return std::bit_cast<std::uint32_t>(single);
  return from_float(format_of(dtype), single);
}

// A value as any float, or one of few, so that several operands have it; the index is one of few,
// any number, or either extreme; the padding is not zero.
void fill_pair(Dtype dtype, std::byte* to, Random& random) {
  const Dtype value_dtype = dtype == Dtype::kF32I32 ? Dtype::kF32 : Dtype::kF64;
  const std::uint64_t value =
      random() % 2 == 0 ? special_float(value_dtype, random) : random_element(value_dtype, random);
  const std::uint64_t indices[] = {random() % 4, random(), 0x7FFFFFFF, 0x80000000};
  const std::uint64_t index = indices[random() % std::size(indices)] | random() << 32;
  std::memcpy(to, &value, size_of(value_dtype));
  std::memcpy(to + size_of(value_dtype), &index, size_of(value_dtype));
}

}  // namespace

std::uint64_t test_seed() {
  static const std::uint64_t seed = draw_seed();
  return seed;
}

std::uint64_t test_share() {
  static const std::uint64_t share = test::setting("TUTTI_KERNEL_SHARE", 1);
  return share;
}

std::vector<Dtype> all_dtypes() {
  std::vector<Dtype> dtypes;
  for (int i = 0; i < kDtypes; ++i) dtypes.push_back(static_cast<Dtype>(i));
  return dtypes;
}

std::vector<Dtype> all_numbers() {
  std::vector<Dtype> dtypes = all_dtypes();
  std::erase_if(dtypes, is_pair);
  return dtypes;
}

std::vector<Operation> all_operations() {
  std::vector<Operation> operations;
  for (const Dtype dtype : all_dtypes()) {
    for (int i = 0; i < kCombines; ++i) {
      const auto combine = static_cast<Combine>(i);
      if (supports(dtype, combine)) operations.push_back({dtype, combine});
    }
  }
  return operations;
}

std::uint64_t random_element(Dtype dtype, Random& random) {
  switch (random() % 8) {
    case 0:
      return is_integer(dtype) ? special_integer(random) : special_float(dtype, random);
    case 1:
    case 2:
      return random();
    default:
      return small_number(dtype, random);
  }
}

Arrays::Arrays(Dtype dtype, std::size_t k, std::size_t count, std::size_t stride)
    : dtype_(dtype), count_(count) {
  const std::size_t room = (bytes() / kLineBytes + 1) * kLineBytes + k * stride + kLineBytes;
  data_.resize(k * room + kLineBytes);
  const auto address = reinterpret_cast<std::uintptr_t>(data_.data());
  const std::size_t line = (kLineBytes - address % kLineBytes) % kLineBytes;
  for (std::size_t s = 0; s < k; ++s) {
    const std::size_t start = line + s * (room / kLineBytes * kLineBytes);
    offsets_.push_back(start + (stride == 0 ? 0 : s * stride + 1));
    pointers_.push_back((*this)[s]);
  }
}

void Arrays::fill(Random& random) {
  for (std::size_t s = 0; s < pointers_.size(); ++s) {
    for (std::size_t e = 0; e < count_; ++e) {
      std::byte* const to = (*this)[s] + e * size_of(dtype_);
      if (is_pair(dtype_)) {
        fill_pair(dtype_, to, random);
        continue;
      }
      const std::uint64_t element = random_element(dtype_, random);
      std::memcpy(to, &element, size_of(dtype_));
    }
  }
}

}  // namespace tutti

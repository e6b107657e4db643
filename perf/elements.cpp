#include "perf/elements.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

namespace tutti {
namespace {

using Bits = std::uint64_t;

/// A well-mixed number for (seed, index, salt): the finaliser of splitmix64.
Bits mixed(Bits seed, std::size_t index, Bits salt) {
  Bits z = seed + 0x9e3779b97f4a7c15U * (index * 8 + salt + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

long long below(Bits number, long long bound) {
  return static_cast<long long>(number % static_cast<Bits>(bound));
}

/// The bits of an integer in an IEEE-like format; the integer must be exact in it.
Bits small_float_bits(long long value, int exponent_bits, int mantissa_bits) {
  if (value == 0) return 0;
  const auto magnitude = static_cast<Bits>(std::llabs(value));
  const int power = static_cast<int>(std::bit_width(magnitude)) - 1;
  const Bits fraction = magnitude ^ (Bits{1} << power);
  const Bits mantissa = power <= mantissa_bits ? fraction << (mantissa_bits - power)
                                               : fraction >> (power - mantissa_bits);
  const Bits exponent = static_cast<Bits>(power + (1 << (exponent_bits - 1)) - 1);
  const Bits sign = value < 0 ? 1 : 0;
  return (sign << (exponent_bits + mantissa_bits)) | (exponent << mantissa_bits) | mantissa;
}

/// An integer as the bits of one element, in the low bytes.
Bits element_bits(tutti_dtype dtype, long long value) {
  switch (dtype) {
    case TUTTI_F16:
      return small_float_bits(value, 5, 10);
    case TUTTI_BF16:
      return small_float_bits(value, 8, 7);
    case TUTTI_F32:
      return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    case TUTTI_F64:
      return std::bit_cast<Bits>(static_cast<double>(value));
    case TUTTI_F8E4M3:
      return small_float_bits(value, 4, 3);
    case TUTTI_F8E5M2:
      return small_float_bits(value, 5, 2);
    default:
      return static_cast<Bits>(value);  // integers: two's complement, cut to their width
  }
}

void append_element(std::vector<std::byte>& bytes, Bits bits, std::size_t element_bytes) {
  for (std::size_t i = 0; i < element_bytes; ++i)
    bytes.push_back(static_cast<std::byte>(bits >> (8 * i)));
}

long long signed_or_not(const DtypeName& dtype, long long magnitude, Bits coin) {
  return dtype.has_sign && (coin & 1) != 0 ? -magnitude : magnitude;
}

long long scalar_of(int rank) { return 1 + rank % 2; }

/// Sums: at most `active` ranks are not zero at an index, so that no partial sum leaves the range
/// of exact integers, however many ranks there are.
long long summand(const ElementCase& of, int rank, std::size_t index, long long scale) {
  const long long active = std::min<long long>(of.ranks, of.dtype->exact / scale);
  const long long amplitude = std::min(97LL, of.dtype->exact / (active * scale));
  const long long turn = below(mixed(of.seed, index, 0), of.ranks);
  if ((rank + turn) % of.ranks >= active) return 0;
  const Bits number = mixed(of.seed + static_cast<Bits>(rank) * 1000003, index, 1);
  return signed_or_not(*of.dtype, below(number >> 1, amplitude + 1), number);
}

/// Averages of floats: a common value, plus a difference that two ranks hold with opposite signs.
long long averaged(const ElementCase& of, int rank, std::size_t index) {
  const Bits number = mixed(of.seed, index, 2);
  const long long common = below(number, std::min(97LL, of.dtype->exact / (2LL * of.ranks)) + 1);
  if (of.ranks == 1) return common;
  const long long difference = below(number >> 8, std::min(97LL, of.dtype->exact / 4) + 1);
  const long long plus = below(number >> 16, of.ranks);
  const long long minus = (plus + 1 + below(number >> 32, of.ranks - 1)) % of.ranks;
  if (rank == plus) return common + difference;
  return rank == minus ? common - difference : common;
}

/// Products: ±1 and at most three factors ±2, so that the product is a small power of two.
long long factor(const ElementCase& of, int rank, std::size_t index) {
  const Bits number = mixed(of.seed, index, 3);
  const long long twos = below(number, 4);
  const long long turn = below(number >> 8, of.ranks);
  const long long magnitude = (rank + turn) % of.ranks < twos ? 2 : 1;
  return signed_or_not(*of.dtype, magnitude, mixed(of.seed + static_cast<Bits>(rank), index, 4));
}

long long comparable(const ElementCase& of, int rank, std::size_t index) {
  const Bits number = mixed(of.seed + static_cast<Bits>(rank) * 1000003, index, 5);
  return signed_or_not(*of.dtype, below(number >> 1, std::min(97LL, of.dtype->exact) + 1), number);
}

/// Bits for the bitwise ops and for what is only copied. For AND three quarters of them are set.
Bits raw_bits(const ElementCase& of, int rank, std::size_t index) {
  const Bits own = of.seed + static_cast<Bits>(rank) * 1000003;
  const Bits bits = mixed(own, index, 6);
  const bool mostly_set = of.op != nullptr && of.op->value == TUTTI_BAND;
  return mostly_set ? bits | mixed(own, index, 7) : bits;
}

long long number_of(const ElementCase& of, int rank, std::size_t index) {
  switch (of.op->value) {
    case TUTTI_SUM:
      return summand(of, rank, index, 1);
    case TUTTI_PROD:
      return factor(of, rank, index);
    case TUTTI_AVG:
      return of.dtype->floating ? averaged(of, rank, index) : summand(of, rank, index, 1);
    case TUTTI_MIN:
    case TUTTI_MAX:
      return comparable(of, rank, index);
    default:
      return summand(of, rank, index, 2);
  }
}

bool is_raw(const ElementCase& of) { return of.op == nullptr || of.op->bitwise; }

Bits input_bits(const ElementCase& of, int rank, std::size_t index) {
  if (is_raw(of)) return raw_bits(of, rank, index);
  return element_bits(of.dtype->value, number_of(of, rank, index));
}

Bits combined_bits(const ElementCase& of, int ranks, std::size_t index) {
  Bits bits = raw_bits(of, 0, index);
  for (int rank = 1; rank < ranks; ++rank) {
    const Bits next = raw_bits(of, rank, index);
    if (of.op->value == TUTTI_BAND) bits &= next;
    if (of.op->value == TUTTI_BOR) bits |= next;
    if (of.op->value == TUTTI_BXOR) bits ^= next;
  }
  return bits;
}

long long combined_number(const ElementCase& of, int ranks, std::size_t index) {
  const bool scaled = of.op->value == 0;
  long long total = number_of(of, 0, index) * (scaled ? scalar_of(0) : 1);
  for (int rank = 1; rank < ranks; ++rank) {
    const long long next = number_of(of, rank, index);
    switch (of.op->value) {
      case TUTTI_PROD:
        total *= next;
        break;
      case TUTTI_MIN:
        total = std::min(total, next);
        break;
      case TUTTI_MAX:
        total = std::max(total, next);
        break;
      default:
        total += next * (scaled ? scalar_of(rank) : 1);
        break;
    }
  }
  return of.op->value == TUTTI_AVG ? total / of.ranks : total;
}

/// Of the first `ranks` ranks.
Bits result_bits(const ElementCase& of, int ranks, std::size_t index) {
  if (of.op->bitwise) return combined_bits(of, ranks, index);
  return element_bits(of.dtype->value, combined_number(of, ranks, index));
}

template <typename BitsOf>
std::vector<std::byte> one_period(const ElementCase& of, BitsOf bits_of) {
  const std::size_t element_bytes = tutti_dtype_size(of.dtype->value);
  std::vector<std::byte> bytes;
  bytes.reserve(kElementPeriod * element_bytes);
  for (std::size_t index = 0; index < kElementPeriod; ++index)
    append_element(bytes, bits_of(index), element_bytes);
  return bytes;
}

std::size_t count_in_block(std::span<const std::byte> actual, std::span<const std::byte> expected,
                           std::size_t element_bytes) {
  if (std::memcmp(actual.data(), expected.data(), actual.size()) == 0) return 0;
  std::size_t wrong = 0;
  for (std::size_t at = 0; at < actual.size(); at += element_bytes)
    wrong += std::memcmp(&actual[at], &expected[at], element_bytes) != 0 ? 1U : 0U;
  return wrong;
}

}  // namespace

std::vector<std::byte> element_inputs(const ElementCase& of, int rank) {
  return one_period(of, [&](std::size_t index) { return input_bits(of, rank, index); });
}

std::vector<std::byte> element_results(const ElementCase& of, int ranks) {
  return one_period(of, [&](std::size_t index) { return result_bits(of, ranks, index); });
}

ElementResults::ElementResults(const ElementCase& of, int rank) : of_(of), rank_(rank) {
  if (of.op != nullptr) {
    const CollectiveName& collective = *of.collective;
    const int ranks = collective.scans ? rank + (collective.to_self ? 1 : 0) : of.ranks;
    if (ranks > 0) periods_.push_back(element_results(of, ranks));
  } else if (of.collective->rooted && of.collective->output == Holds::kBlock) {
    periods_.push_back(element_inputs(of, of.root));
  } else {
    for (int source = 0; source < of.ranks; ++source)
      periods_.push_back(element_inputs(of, source));
  }
}

std::size_t ElementResults::count_wrong(std::span<const std::byte> actual,
                                        std::size_t count) const {
  const std::size_t element_bytes = tutti_dtype_size(of_.dtype->value);
  const std::size_t block = count * element_bytes;
  const Holds input = of_.collective->input;
  // Of a vector each rank gets the block with its number.
  const bool from_vector = input == Holds::kVector || input == Holds::kRootsVector;
  const std::size_t first = from_vector ? static_cast<std::size_t>(rank_) * count : 0;
  if (periods_.empty()) return 0;  // what is there is undefined
  std::size_t wrong = 0;
  for (std::size_t source = 0, at = 0; at < actual.size(); ++source, at += block)
    wrong += count_wrong_elements(actual.subspan(at, block), periods_[source % periods_.size()],
                                  element_bytes, first);
  return wrong;
}

std::vector<std::byte> element_scalar(const DtypeName& dtype, int rank) {
  std::vector<std::byte> bytes;
  append_element(bytes, element_bits(dtype.value, scalar_of(rank)), tutti_dtype_size(dtype.value));
  return bytes;
}

void fill_elements(std::span<std::byte> target, std::span<const std::byte> period) {
  for (std::size_t at = 0; at < target.size(); at += period.size()) {
    const std::size_t bytes = std::min(period.size(), target.size() - at);
    std::memcpy(&target[at], period.data(), bytes);
  }
}

std::size_t count_wrong_elements(std::span<const std::byte> actual,
                                 std::span<const std::byte> period, std::size_t element_bytes,
                                 std::size_t first) {
  std::size_t wrong = 0, from = first * element_bytes % period.size();
  for (std::size_t at = 0; at < actual.size();) {
    const std::size_t bytes = std::min(period.size() - from, actual.size() - at);
    wrong += count_in_block(actual.subspan(at, bytes), period.subspan(from, bytes), element_bytes);
    at += bytes;
    from = 0;
  }
  return wrong;
}

}  // namespace tutti

// Dtypes and ops under both names, and the elements that calls are tried with. Nothing here is the
// library's own arithmetic: floats are put together from their fields, and read with powers of two.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/mpi_comparison/random.h"
#include "tutti/tutti.h"

namespace tutti::test {

/// The greatest world. Exact inputs stay exact in sums of so many.
inline constexpr int kMostRanksBits = 3, kMostRanks = 1 << kMostRanksBits;

struct Dtype {
  const char* name;
  tutti_dtype ours;
  std::size_t bytes;
  MPI_Datatype moved;     // what is only moved: as many bytes
  MPI_Datatype combined;  // its own type; of floats MPI_DOUBLE, in which all are exact
  bool has_sign = true;
  int exponent_bits = 0, mantissa_bits = 0;  // of floats
  bool has_infinity = true;
  bool is_pair = false;  // of such a float and its index, a 32-bit integer

  bool is_float() const { return mantissa_bits > 0 && !is_pair; }
  /// Bytes of the number, without a pair's index.
  std::size_t number_bytes() const {
    return is_pair ? static_cast<std::size_t>(1 + exponent_bits + mantissa_bits) / 8 : bytes;
  }
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  /// The greatest relative error of so many rounded operations: (1 + u)^operations - 1. Included
  /// are the intermediate results' f32 and MPI's double.
  double rounding(int operations) const;
  /// The greatest absolute error of rounding to a subnormal number.
  double underflow() const;
};

struct Op {
  enum class Kind { kSum, kScaledSum, kAverage, kProduct, kExtreme, kBitwise, kIndex, kFunction };
  const char* name;
  Kind kind;
  tutti_op ours;  // 0: created for each call
  MPI_Op theirs;
  // Of kFunction, for any elements of 8 bytes.
  tutti_op_function function = nullptr;
  bool commutes = true;
};

std::span<const Dtype> all_dtypes();
/// After MPI_Init().
std::span<const Op> all_ops();
bool supports(const Dtype& dtype, const Op& op);

/// Creates Tutti's form of an op of kind kFunction.
tutti_status create_function(tutti_op* op, const Op& of, tutti_comm* comm);

/// What elements are like. Exact ones are such that whatever up to kMostRanks ranks combine, in
/// whatever order, no operation but an average's division rounds: any wrong element shows.
enum class Values { kBits, kExact, kRough };

/// `count` elements; unless they are mere bits, such as `op` combines without overflow.
std::vector<std::byte> draw_elements(const Dtype& dtype, const Op* op, Values values,
                                     std::size_t count, Random& random);
/// One element for tutti_op_create_pre_scaled().
std::vector<std::byte> draw_scalar(const Dtype& dtype, Values values, Random& random);

/// The value of a float. NaN for infinity and NaN, which are never right here.
double value_of(const Dtype& dtype, const std::byte* element);
std::vector<double> values_of(const Dtype& dtype, std::span<const std::byte> elements);

/// Of integers: elements times a scalar, wrapping around.
std::vector<std::byte> scaled(const Dtype& dtype, std::span<const std::byte> elements,
                              const std::byte* scalar);
/// Of pairs: sets to zero what lies between them, which means nothing.
void clear_padding(const Dtype& dtype, std::span<std::byte> elements);

/// Of integers: elements over a divisor, rounded towards zero.
void divide(const Dtype& dtype, std::span<std::byte> elements, int divisor);

/// The bits of an element, for messages: "0x3c00", and of a float its value.
std::string text_of(const Dtype& dtype, const std::byte* element);

}  // namespace tutti::test

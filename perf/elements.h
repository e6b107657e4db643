// What each rank puts in, and what each must get out, bit for bit.
//
// Inputs are small integers chosen so that every partial result, in whatever order and grouping an
// algorithm combines the ranks, is exact in the dtype: then there is one right answer, and a
// comparison of bytes finds every wrong element. Both repeat with a period that is prime, so that
// a chunk in a wrong place, at any power-of-two distance, does not look right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "perf/names.h"

namespace tutti {

/// Elements after which the values repeat.
inline constexpr std::size_t kElementPeriod = 16381;

struct ElementCase {
  const CollectiveName* collective = nullptr;
  const DtypeName* dtype = nullptr;
  const OpName* op = nullptr;  // nullptr where the collective takes none
  int ranks = 1;
  int root = 0;
  std::uint64_t seed = 0;
};

/// One period of rank's input, as bytes of the dtype.
std::vector<std::byte> element_inputs(const ElementCase& of, int rank);

/// One period of what the inputs of the first `ranks` ranks combine to.
std::vector<std::byte> element_results(const ElementCase& of, int ranks);

/// The right results of one rank: where the elements of each of its output's blocks come from.
class ElementResults {
 public:
  ElementResults(const ElementCase& of, int rank);

  /// How many elements of `actual`, the whole output in blocks of `count`, differ in any bit.
  std::size_t count_wrong(std::span<const std::byte> actual, std::size_t count) const;

 private:
  const ElementCase of_;
  const int rank_;
  // Combined; or one, or each rank's, that is moved; none: there is no result.
  std::vector<std::vector<std::byte>> periods_;
};

/// The scalar that rank gives to tutti_op_create_pre_scaled(): one element.
std::vector<std::byte> element_scalar(const DtypeName& dtype, int rank);

/// Repeats `period` over `target`.
void fill_elements(std::span<std::byte> target, std::span<const std::byte> period);

/// How many elements of `actual` differ in any bit from `period` repeated, beginning with its
/// element `first`, which may be any.
std::size_t count_wrong_elements(std::span<const std::byte> actual,
                                 std::span<const std::byte> period, std::size_t element_bytes,
                                 std::size_t first = 0);

}  // namespace tutti

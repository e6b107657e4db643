// The words of the sweep's options and output, and the C API's values that they stand for.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "tutti/tutti.h"

namespace tutti {

/// What a rank's array holds. A block is the `count` of the call.
enum class Holds {
  kNothing,
  kBlock,
  kVector,       // a block of each rank
  kRootsBlock,   // a block on the root, nothing elsewhere
  kRootsVector,  // a vector on the root, nothing elsewhere
};

struct CollectiveName {
  std::string_view name;
  tutti_collective value;
  Holds input, output;
  bool reduces;  // takes an op
  bool rooted;
  bool scans = false;    // a rank's result is of the ranks up to it,
  bool to_self = false;  // itself included

  bool moves_data() const { return output != Holds::kNothing; }
  /// Whether its size, as nccl-tests counts, is that of a block of each rank.
  bool is_in_vectors() const {
    const auto vector = [](Holds h) { return h == Holds::kVector || h == Holds::kRootsVector; };
    return vector(input) || vector(output);
  }
  bool has_in_place_form() const { return input != Holds::kVector || output != Holds::kVector; }
};

/// Blocks in an array of a rank of `ranks`.
int blocks_in(Holds holds, int ranks, bool is_root);

struct DtypeName {
  std::string_view name;
  tutti_dtype value;
  bool floating;
  bool has_sign;
  long long exact;  // every integer up to this magnitude is exact; kept small enough to add up
};

struct OpName {
  std::string_view name;
  tutti_op value;  // 0: created at run time
  bool bitwise;
};

std::span<const CollectiveName> collective_names();
std::span<const DtypeName> dtype_names();
std::span<const OpName> op_names();

/// The row of that name, or nullptr.
const CollectiveName* find_collective(std::string_view name);
const DtypeName* find_dtype(std::string_view name);
const OpName* find_op(std::string_view name);

/// Whether `op` takes `dtype`: bitwise ops take integers only.
bool op_takes(const OpName& op, const DtypeName& dtype);

/// nccl-tests' factor from algorithm to bus bandwidth: the share of the size that must cross a
/// link.
double bus_factor(const CollectiveName& collective, int ranks);

}  // namespace tutti

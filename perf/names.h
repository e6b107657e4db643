// The words of the sweep's options and output, and the C API's values that they stand for.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "tutti/tutti.h"

namespace tutti {

struct CollectiveName {
  std::string_view name;
  tutti_collective value;
  bool reduces;  // takes an op
  bool rooted;
  bool moves_data;
};

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

/// nccl-tests' factor from algorithm to bus bandwidth: the share of the data that must cross a
/// link.
double bus_factor(const CollectiveName& collective, int ranks);

}  // namespace tutti

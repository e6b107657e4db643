#include "perf/names.h"

#include <algorithm>
#include <array>

namespace tutti {
namespace {

constexpr std::array kCollectiveRows{
    CollectiveName{"all_reduce", TUTTI_ALL_REDUCE, Holds::kBlock, Holds::kBlock, true, false},
    CollectiveName{"broadcast", TUTTI_BROADCAST, Holds::kRootsBlock, Holds::kBlock, false, true},
    CollectiveName{"reduce", TUTTI_REDUCE, Holds::kBlock, Holds::kRootsBlock, true, true},
    CollectiveName{"reduce_scatter", TUTTI_REDUCE_SCATTER, Holds::kVector, Holds::kBlock, true,
                   false},
    CollectiveName{"all_gather", TUTTI_ALL_GATHER, Holds::kBlock, Holds::kVector, false, false},
    CollectiveName{"gather", TUTTI_GATHER, Holds::kBlock, Holds::kRootsVector, false, true},
    CollectiveName{"scatter", TUTTI_SCATTER, Holds::kRootsVector, Holds::kBlock, false, true},
    CollectiveName{"all_to_all", TUTTI_ALL_TO_ALL, Holds::kVector, Holds::kVector, false, false},
    CollectiveName{"scan", TUTTI_SCAN, Holds::kBlock, Holds::kBlock, true, false, true, true},
    CollectiveName{"exclusive_scan", TUTTI_EXCLUSIVE_SCAN, Holds::kBlock, Holds::kBlock, true,
                   false, true, false},
    CollectiveName{"barrier", TUTTI_BARRIER, Holds::kNothing, Holds::kNothing, false, false},
};

constexpr std::array kDtypeRows{
    DtypeName{"i8", TUTTI_I8, false, true, 127},
    DtypeName{"u8", TUTTI_U8, false, false, 255},
    DtypeName{"i32", TUTTI_I32, false, true, 1 << 20},
    DtypeName{"u32", TUTTI_U32, false, false, 1 << 20},
    DtypeName{"i64", TUTTI_I64, false, true, 1 << 20},
    DtypeName{"u64", TUTTI_U64, false, false, 1 << 20},
    DtypeName{"f16", TUTTI_F16, true, true, 2048},
    DtypeName{"bf16", TUTTI_BF16, true, true, 256},
    DtypeName{"f32", TUTTI_F32, true, true, 1 << 20},
    DtypeName{"f64", TUTTI_F64, true, true, 1 << 20},
    DtypeName{"f8e4m3", TUTTI_F8E4M3, true, true, 16},
    DtypeName{"f8e5m2", TUTTI_F8E5M2, true, true, 8},
};

constexpr std::array kOpRows{
    OpName{"sum", TUTTI_SUM, false},  OpName{"prod", TUTTI_PROD, false},
    OpName{"min", TUTTI_MIN, false},  OpName{"max", TUTTI_MAX, false},
    OpName{"avg", TUTTI_AVG, false},  OpName{"pre_scaled_sum", 0, false},
    OpName{"band", TUTTI_BAND, true}, OpName{"bor", TUTTI_BOR, true},
    OpName{"bxor", TUTTI_BXOR, true},
};

template <class Row>
const Row* find_row(std::span<const Row> rows, std::string_view name) {
  const auto found = std::ranges::find(rows, name, &Row::name);
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

std::span<const CollectiveName> collective_names() { return kCollectiveRows; }
std::span<const DtypeName> dtype_names() { return kDtypeRows; }
std::span<const OpName> op_names() { return kOpRows; }

const CollectiveName* find_collective(std::string_view name) {
  return find_row(collective_names(), name);
}
const DtypeName* find_dtype(std::string_view name) { return find_row(dtype_names(), name); }
const OpName* find_op(std::string_view name) { return find_row(op_names(), name); }

bool op_takes(const OpName& op, const DtypeName& dtype) { return !(op.bitwise && dtype.floating); }

int blocks_in(Holds holds, int ranks, bool is_root) {
  switch (holds) {
    case Holds::kNothing:
      return 0;
    case Holds::kBlock:
      return 1;
    case Holds::kVector:
      return ranks;
    case Holds::kRootsBlock:
      return is_root ? 1 : 0;
    case Holds::kRootsVector:
      return is_root ? ranks : 0;
  }
  return 0;
}

double bus_factor(const CollectiveName& collective, int ranks) {
  if (!collective.moves_data()) return 0;
  const double others = static_cast<double>(ranks - 1) / ranks;
  if (collective.value == TUTTI_ALL_REDUCE) return 2 * others;
  return collective.is_in_vectors() ? others : 1;
}

}  // namespace tutti

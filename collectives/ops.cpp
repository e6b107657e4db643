#include "collectives/ops.h"

#include <cstring>
#include <string>

#include "kernels/error.h"
#include "kernels/names.h"

namespace tutti {
namespace {

// Handles of created ops follow the predefined ones at some distance.
constexpr tutti_op kFirstCreatedOp = 0x100;

std::optional<ReduceOp> predefined(tutti_op handle) {
  switch (handle) {
    case TUTTI_SUM:
      return ReduceOp{};
    case TUTTI_PROD:
      return ReduceOp{.combine = Combine::kProd};
    case TUTTI_MIN:
      return ReduceOp{.combine = Combine::kMin};
    case TUTTI_MAX:
      return ReduceOp{.combine = Combine::kMax};
    case TUTTI_AVG:
      return ReduceOp{.average = true};
    case TUTTI_BAND:
      return ReduceOp{.combine = Combine::kBand};
    case TUTTI_BOR:
      return ReduceOp{.combine = Combine::kBor};
    case TUTTI_BXOR:
      return ReduceOp{.combine = Combine::kBxor};
    case TUTTI_MIN_INDEX:
      return ReduceOp{.combine = Combine::kMinIndex};
    case TUTTI_MAX_INDEX:
      return ReduceOp{.combine = Combine::kMaxIndex};
    default:
      return std::nullopt;
  }
}

[[noreturn]] void refuse(tutti_op handle, Combine combine, Dtype dtype) {
  const std::string op = "op " + op_name(handle), type(name_of(dtype));
  if (is_pair(dtype))
    throw Error(TUTTI_INVALID, op + " does not take " + type +
                                   ": pairs take min_index, max_index and what tutti_op_create() "
                                   "made");
  throw Error(TUTTI_INVALID,
              op +
                  (combine >= Combine::kMinIndex ? " takes f32_i32 and f64_i32 only, not "
                                                 : " takes integers only, not ") +
                  type);
}

}  // namespace

ReduceOp moving_op(Dtype dtype) {
  return {.combine = is_pair(dtype) ? Combine::kMinIndex : Combine::kSum};
}

std::optional<ReduceOp> predefined_op(tutti_op handle, Dtype dtype) {
  const auto op = predefined(handle);
  if (op && !supports(dtype, op->combine)) refuse(handle, op->combine, dtype);
  return op;
}

ReduceOp Ops::find(tutti_op handle, Dtype dtype) const {
  if (const auto op = predefined_op(handle, dtype)) return *op;
  const auto found = created_.find(handle);
  if (found == created_.end()) throw Error(TUTTI_INVALID, "unknown op " + std::to_string(handle));
  const auto& [only, created] = found->second;
  if (only && *only != dtype) {
    throw Error(TUTTI_INVALID, op_name(handle) + " is for " + std::string(name_of(*only)) +
                                   ", not " + std::string(name_of(dtype)));
  }
  ReduceOp op = created;
  op.combine = moving_op(dtype).combine;
  return op;
}

tutti_op Ops::add(const Created& created) {
  const tutti_op handle = kFirstCreatedOp + count_;
  created_.emplace(handle, created);
  ++count_;
  return handle;
}

tutti_op Ops::create_pre_scaled(const void* scalar, Dtype dtype) {
  if (is_pair(dtype)) {
    throw Error(TUTTI_INVALID,
                "a pre-scaled sum takes numbers, not " + std::string(name_of(dtype)));
  }
  Created created{.dtype = dtype, .op = {.pre_scaled = true}};
  std::memcpy(&created.op.scalar, scalar, size_of(dtype));
  return add(created);
}

tutti_op Ops::create(const OpFunction& function, bool commutative) {
  return add({.dtype = std::nullopt, .op = {.commutative = commutative, .function = function}});
}

void Ops::free(tutti_op handle) {
  if (created_.erase(handle) == 0) {
    throw Error(TUTTI_INVALID, predefined(handle)
                                   ? "op " + op_name(handle) + " is predefined: it is never freed"
                                   : "unknown op " + std::to_string(handle));
  }
}

}  // namespace tutti

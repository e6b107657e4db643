// Ops that are created, and what ops give without a communicator.
#include "collectives/ops.h"

#include <cstdint>
#include <string>

#include "collectives/c_api/door.h"
#include "kernels/names.h"
#include "kernels/reduce.h"

using namespace tutti;  // NOLINT: this file is the C side

tutti_status tutti_op_create_pre_scaled(tutti_op* op, const void* scalar, tutti_dtype dtype,
                                        tutti_comm* comm) {
  return using_it(comm, [&](Communicator& c) {
    require(op, "op");
    if (scalar == nullptr) invalid("scalar is NULL");
    *op = c.create_pre_scaled(scalar, checked_dtype(dtype));
  });
}

tutti_status tutti_op_create(tutti_op* op, tutti_op_function function, void* context,
                             int32_t commutative, tutti_comm* comm) {
  return using_it(comm, [&](Communicator& c) {
    require(op, "op");
    if (function == nullptr) invalid("function is NULL");
    if (commutative != 0 && commutative != 1)
      invalid("commutative is " + std::to_string(commutative) + ": give 0 or 1");
    *op = c.create_op(function, context, commutative == 1);
  });
}

tutti_status tutti_op_free(tutti_op op, tutti_comm* comm) {
  return using_it(comm, [&](Communicator& c) { c.free_op(op); });
}

tutti_status tutti_replay_reduce(const void* const* inputs, void* result, size_t count,
                                 tutti_dtype dtype_value, tutti_op op_value, int32_t size) {
  return guarded(nullptr, [&] {
    const Dtype dtype = checked_dtype(dtype_value);
    const auto op = predefined_op(op_value, dtype);
    if (!op) invalid("op " + std::to_string(op_value) + " is not predefined");
    if (size < 1) invalid("size is " + std::to_string(size) + ": at least 1");
    if (checked_bytes(count, dtype) == 0) return;
    if (inputs == nullptr) invalid("inputs is NULL");
    for (int32_t r = 0; r < size; ++r)
      if (inputs[r] == nullptr) invalid("inputs[" + std::to_string(r) + "] is NULL");
    if (result == nullptr) invalid("result is NULL");
    const Finish finish{op->average ? static_cast<std::uint32_t>(size) : 1};
    reduce_kernel(dtype, op->combine, ReduceShape::kBalanced)(
        result, inputs, static_cast<std::size_t>(size), count, finish, Stores::kCached);
  });
}

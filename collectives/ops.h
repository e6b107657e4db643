// Reduction ops: what a tutti_op means.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "kernels/dtype.h"
#include "tutti/tutti.h"

namespace tutti {

class CallWithFunction;

/// A caller's function that combines elements, and what it is given.
struct OpFunction {
  tutti_op_function combine = nullptr;  // null: a kernel does it
  void* context = nullptr;
  CallWithFunction* caller = nullptr;  // see op_function.h
};

/// What is done to elements: a tutti_op, resolved for a dtype.
struct ReduceOp {
  Combine combine = Combine::kSum;  // with a function: any that the dtype takes, for its moves
  bool average = false;
  bool pre_scaled = false;
  bool commutative = true;
  std::uint64_t scalar = 0;  // pre_scaled: the bytes of one element
  OpFunction function{};
};

/// For collectives that only move: any op that the dtype takes.
ReduceOp moving_op(Dtype dtype);

/// A predefined op; none if the handle is of another one. Throws TUTTI_INVALID if it does not take
/// the dtype.
std::optional<ReduceOp> predefined_op(tutti_op handle, Dtype dtype);

/// The ops of a communicator: those that were created on it, and the predefined ones.
class Ops {
 public:
  /// Throws TUTTI_INVALID for an unknown op, and for one that does not take the dtype.
  ReduceOp find(tutti_op handle, Dtype dtype) const;

  /// Handles count what was created: equal on all ranks that create the same. Throws TUTTI_INVALID.
  tutti_op create_pre_scaled(const void* scalar, Dtype dtype);
  tutti_op create(const OpFunction& function, bool commutative);
  /// Throws TUTTI_INVALID (predefined, unknown, or freed already).
  void free(tutti_op handle);

 private:
  struct Created {
    std::optional<Dtype> dtype;  // the only one that it takes
    ReduceOp op;
  };
  tutti_op add(const Created& created);

  std::map<tutti_op, Created> created_;
  std::uint64_t count_ = 0;  // ever created
};

}  // namespace tutti

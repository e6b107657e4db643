// What a library must offer to be measured by bench.cpp. One file a library implements it; all
// that is timed, counted or checked is outside, and so the same for all.
#pragma once

#include <cstddef>
#include <memory>

namespace tutti {

/// What is measured. Of the last one a call is a message from rank 0 to rank 1 and one back.
enum class Operation { kAllReduce, kBroadcast, kReduceScatter, kAllGather, kAllToAll, kPingPong };

class Backend {
 public:
  virtual ~Backend() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;

  /// The memory that the library likes best for large arrays.
  virtual std::byte* allocate(std::size_t bytes) = 0;
  virtual void give_back(std::byte* memory) = 0;

  /// Makes one call on floats; sums where it combines, with root 0 where there is one. `count` is
  /// that of a message, or of all ranks' blocks together. A broadcast goes from the root's `in` to
  /// the others' `out`; every other call from `in` to `out`.
  virtual void call(Operation operation, float* in, float* out, std::size_t count) = 0;
};

/// Joins the world of the library that the program is linked with.
std::unique_ptr<Backend> join_world();

}  // namespace tutti

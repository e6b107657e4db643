// What a library must offer to be measured by bench.cpp. One file a library implements it; all
// that is timed, counted or checked is outside, and so the same for all.
#pragma once

#include <cstddef>
#include <memory>

namespace tutti {

class Backend {
 public:
  virtual ~Backend() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;

  /// The memory that the library likes best for large arrays.
  virtual std::byte* allocate(std::size_t bytes) = 0;
  virtual void give_back(std::byte* memory) = 0;

  /// Sums `count` floats of `in` over all ranks into `out`.
  virtual void all_reduce(const float* in, float* out, std::size_t count) = 0;
};

/// Joins the world of the library that the program is linked with.
std::unique_ptr<Backend> join_world();

}  // namespace tutti

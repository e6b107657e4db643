// Awkward operands for the kernel tests: random arrays of every dtype, full of special values, at
// any alignment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/dtype.h"

namespace tutti {

using Random = std::mt19937_64;

/// The seed of this run: TUTTI_SEED, or a random one. Printed once.
std::uint64_t test_seed();

/// N of TUTTI_KERNEL_SHARE=N, which leaves one reduction in N to test; 1 without it.
std::uint64_t test_share();

/// All dtypes; those that are no pair; all combinations that are supported.
std::vector<Dtype> all_dtypes();
std::vector<Dtype> all_numbers();

struct Operation {
  Dtype dtype;
  Combine combine;
};
std::vector<Operation> all_operations();

/// One element of `dtype`, which is no pair: any bits, a small number, or a special value (zeros of
/// both signs, the extremes, the least subnormal, infinities, quiet and signalling NaNs).
std::uint64_t random_element(Dtype dtype, Random& random);

/// k arrays of `count` elements. Array s begins s·stride + 1 bytes past a cache line; with stride 0
/// on one.
class Arrays {
 public:
  Arrays(Dtype dtype, std::size_t k, std::size_t count, std::size_t stride);

  void fill(Random& random);
  const void* const* pointers() const { return pointers_.data(); }
  std::byte* operator[](std::size_t s) { return data_.data() + offsets_[s]; }
  std::size_t bytes() const { return count_ * size_of(dtype_); }

 private:
  const Dtype dtype_;
  const std::size_t count_;
  std::vector<std::byte> data_;
  std::vector<std::size_t> offsets_;
  std::vector<const void*> pointers_;
};

}  // namespace tutti

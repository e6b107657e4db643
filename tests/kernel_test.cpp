// The vector kernels equal the scalar reference bit for bit: every operation, shape, number of
// sources, count, alignment, aliasing, divisor and kind of store, on every instruction set here.
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernels/reduce.h"
#include "kernels/reduce_reference.h"
#include "kernels/simd.h"
#include "tests/catch.h"
#include "tests/kernel_operands.h"

namespace tutti {
namespace {

constexpr std::size_t kManySources[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 17};
constexpr ReduceShape kShapes[] = {ReduceShape::kFold, ReduceShape::kBalanced};
constexpr std::byte kGuard{0xA5};
constexpr std::size_t kGuardBytes = 64;

// Runs the rest of a test on one instruction set, then goes back to the best.
class OnTarget {
 public:
  explicit OnTarget(const std::string& name) { use_simd_target(name); }
  ~OnTarget() { use_simd_target(""); }
  OnTarget(const OnTarget&) = delete;
  OnTarget& operator=(const OnTarget&) = delete;
};

struct Reduction {
  Operation operation;
  ReduceShape shape;
  std::size_t k;
  Finish finish;
};

std::string text_of(const Reduction& reduction) {
  return std::string(simd_target()) + " " + std::string(name_of(reduction.operation.dtype)) + " " +
         std::string(name_of(reduction.operation.combine)) +
         (reduction.shape == ReduceShape::kFold ? " fold" : " balanced") +
         " k=" + std::to_string(reduction.k) +
         " divisor=" + std::to_string(reduction.finish.divisor) +
         " seed=" + std::to_string(test_seed());
}

std::vector<std::byte> reference_of(const Reduction& reduction, const Arrays& arrays,
                                    std::size_t count) {
  std::vector<std::byte> result(arrays.bytes());
  const auto [dtype, combine] = reduction.operation;
  reduce_reference(dtype, combine, reduction.shape)(result.data(), arrays.pointers(), reduction.k,
                                                    count, reduction.finish, Stores::kCached);
  return result;
}

// Reduces into `dst`; whether the first `count` elements are as expected, and the bytes after them
// untouched.
bool reduces_to(const std::vector<std::byte>& expected, const Reduction& reduction,
                const Arrays& arrays, std::size_t count, std::byte* dst, Stores stores) {
  const auto [dtype, combine] = reduction.operation;
  const std::size_t bytes = count * size_of(dtype);
  std::memset(dst + bytes, static_cast<int>(kGuard), kGuardBytes);
  reduce_kernel(dtype, combine, reduction.shape)(dst, arrays.pointers(), reduction.k, count,
                                                 reduction.finish, stores);
  for (std::size_t i = 0; i < kGuardBytes; ++i) {
    if (dst[bytes + i] != kGuard) return false;
  }
  return std::memcmp(dst, expected.data(), bytes) == 0;
}

// A page between two that may not be touched.
class Fenced {
 public:
  Fenced() : start_(mmap(nullptr, 3 * kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    REQUIRE(start_ != MAP_FAILED);
    REQUIRE(mprotect(page(), kBytes, PROT_READ | PROT_WRITE) == 0);
  }
  ~Fenced() { munmap(start_, 3 * kBytes); }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;

  std::byte* page() const { return static_cast<std::byte*>(start_) + kBytes; }
  /// Where `bytes` that end with the page begin.
  std::byte* last(std::size_t bytes) const { return page() + kBytes - bytes; }

 private:
  static constexpr std::size_t kBytes = 4096;
  void* const start_;
};

std::vector<std::uint32_t> divisors_of(const Operation& operation) {
  if (is_pair(operation.dtype)) return {1};
  return {1, 3};
}

// Each reduction, or a share of them that depends on the seed.
template <class Use>
void for_each_reduction(Use use) {
  Random random(test_seed());
  for (const Operation operation : all_operations()) {
    for (const ReduceShape shape : kShapes) {
      for (const std::size_t k : kManySources) {
        for (const std::uint32_t divisor : divisors_of(operation)) {
          if (random() % test_share() == 0) use(Reduction{operation, shape, k, {divisor}});
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("every kernel equals its reference at every count and alignment") {
  constexpr std::size_t kMost = 300;
  for (const std::string& target : simd_targets()) {
    const OnTarget on(target);
    for_each_reduction([&](const Reduction& reduction) {
      INFO(text_of(reduction));
      Random random(test_seed());
      Arrays arrays(reduction.operation.dtype, reduction.k, kMost, 3);
      arrays.fill(random);
      const auto expected = reference_of(reduction, arrays, kMost);
      std::vector<std::byte> dst(arrays.bytes() + 2 * kGuardBytes);
      const auto equal = [&](std::size_t count) {
        INFO("count " << count);
        if (!reduces_to(expected, reduction, arrays, count, dst.data() + count % kGuardBytes,
                        Stores::kCached)) {
          FAIL_CHECK("differs from the reference, or writes past the end");
        }
      };
      for (std::size_t count = 0; count <= 130; ++count) equal(count);
      for (const std::size_t count : {255ul, 256ul, 257ul, 300ul}) equal(count);
    });
  }
  SUCCEED();
}

TEST_CASE("no kernel reads or writes a byte outside its arrays") {
  const Fenced fences[3];
  for (const std::string& target : simd_targets()) {
    const OnTarget on(target);
    for (const auto& [dtype, combine] : all_operations()) {
      const ReduceKernel kernel = reduce_kernel(dtype, combine, ReduceShape::kFold);
      for (std::size_t count = 0; count <= 130; ++count) {
        const std::size_t bytes = count * size_of(dtype);
        const Finish finish{divisors_of({dtype, combine}).back()};
        const void* const at_end[] = {fences[0].last(bytes), fences[1].last(bytes)};
        kernel(fences[2].last(bytes), at_end, 2, count, finish, Stores::kCached);
        const void* const at_start[] = {fences[0].page(), fences[1].page()};
        kernel(fences[2].page(), at_start, 2, count, finish, Stores::kCached);
      }
    }
  }
  SUCCEED();
}

TEST_CASE("a destination may be any one of the sources") {
  constexpr std::size_t kCount = 83;
  for (const std::string& target : simd_targets()) {
    const OnTarget on(target);
    for_each_reduction([&](const Reduction& reduction) {
      INFO(text_of(reduction));
      Random random(test_seed());
      Arrays original(reduction.operation.dtype, reduction.k, kCount, 1);
      original.fill(random);
      const auto expected = reference_of(reduction, original, kCount);
      for (std::size_t s = 0; s < reduction.k; ++s) {
        Random again(test_seed());
        Arrays arrays(reduction.operation.dtype, reduction.k, kCount, 1);
        arrays.fill(again);
        const auto [dtype, combine] = reduction.operation;
        reduce_kernel(dtype, combine, reduction.shape)(arrays[s], arrays.pointers(), reduction.k,
                                                       kCount, reduction.finish, Stores::kCached);
        if (std::memcmp(arrays[s], expected.data(), expected.size()) != 0) {
          FAIL_CHECK("differs in place of source " << s);
        }
      }
    });
  }
  SUCCEED();
}

TEST_CASE("streaming stores give the same bits, in place too") {
  constexpr std::size_t kMost = 9001;
  for (const std::string& target : simd_targets()) {
    const OnTarget on(target);
    for (const Operation operation : all_operations()) {
      for (const std::uint32_t divisor : divisors_of(operation)) {
        const Reduction reduction{operation, ReduceShape::kBalanced, 3, {divisor}};
        INFO(text_of(reduction));
        Random random(test_seed());
        Arrays arrays(operation.dtype, 3, kMost, 1);
        arrays.fill(random);
        const auto expected = reference_of(reduction, arrays, kMost);
        std::vector<std::byte> dst(arrays.bytes() + 2 * kGuardBytes);
        for (const std::size_t count : {100UL, 4096UL, 5000UL, kMost}) {
          for (const std::size_t offset : {0UL, 1UL, 8UL, 63UL}) {
            INFO("count " << count << " offset " << offset);
            CHECK(reduces_to(expected, reduction, arrays, count, dst.data() + offset,
                             Stores::kStreaming));
          }
        }
        reduce_kernel(operation.dtype, operation.combine, reduction.shape)(
            arrays[1], arrays.pointers(), 3, kMost, reduction.finish, Stores::kStreaming);
        CHECK(std::memcmp(arrays[1], expected.data(), expected.size()) == 0);
      }
    }
  }
}

TEST_CASE("every divisor divides as the reference does") {
  constexpr std::size_t kCount = 4500;  // several tiles of 4 KiB, and one of bytes
  const std::uint32_t divisors[] = {1,   2,   3,    5,     7,          64,         127,       128,
                                    255, 256, 1000, 65537, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
  for (const std::string& target : simd_targets()) {
    const OnTarget on(target);
    for (const Dtype dtype : all_numbers()) {
      for (const std::uint32_t divisor : divisors) {
        for (const std::size_t k : {1UL, 2UL, 4UL}) {
          const Reduction reduction{{dtype, Combine::kSum}, ReduceShape::kFold, k, {divisor}};
          INFO(text_of(reduction));
          Random random(test_seed() + divisor);
          Arrays arrays(dtype, k, kCount, 1);
          arrays.fill(random);
          const auto expected = reference_of(reduction, arrays, kCount);
          std::vector<std::byte> dst(arrays.bytes() + kGuardBytes);
          CHECK(reduces_to(expected, reduction, arrays, kCount, dst.data(), Stores::kCached));
        }
      }
    }
  }
}

TEST_CASE("scale equals its reference, in place too") {
  constexpr std::size_t kCount = 203;
  for (const std::string& target : simd_targets()) {
    const OnTarget on(target);
    for (const Dtype dtype : all_numbers()) {
      Random random(test_seed());
      for (int round = 0; round < 50; ++round) {
        INFO(target << " " << name_of(dtype) << " seed=" << test_seed() << " round " << round);
        Arrays arrays(dtype, 2, kCount, 1);
        arrays.fill(random);
        const std::byte* const scalar = arrays[1];
        const std::size_t count = random() % (kCount + 1);
        const std::size_t bytes = count * size_of(dtype);
        std::vector<std::byte> expected(arrays.bytes()), dst(arrays.bytes());
        scale_reference(dtype)(expected.data(), arrays[0], count, scalar);
        scale_kernel(dtype)(dst.data(), arrays[0], count, scalar);
        CHECK(dst == expected);
        scale_kernel(dtype)(arrays[0], arrays[0], count, scalar);
        CHECK(std::memcmp(arrays[0], expected.data(), bytes) == 0);
      }
    }
  }
}

TEST_CASE("copy_bytes copies every length at every alignment with both kinds of stores") {
  constexpr std::size_t kMost = 3 * 4096 + 200;
  Random random(test_seed());
  std::vector<std::byte> src(kMost + 64), dst(kMost + 200);
  for (std::byte& byte : src) byte = static_cast<std::byte>(random());
  for (const std::string& target : simd_targets()) {
    const OnTarget on(target);
    for (const Stores stores : {Stores::kCached, Stores::kStreaming}) {
      for (int round = 0; round < 2000; ++round) {
        const std::size_t bytes =
            round < 200 ? static_cast<std::size_t>(round) : random() % (kMost + 1);
        const std::size_t from = random() % 64, to = random() % 64;
        INFO(target << " bytes " << bytes << " from +" << from << " to +" << to);
        std::fill(dst.begin(), dst.end(), kGuard);
        copy_bytes(dst.data() + to, src.data() + from, bytes, stores);
        const bool copied = std::memcmp(dst.data() + to, src.data() + from, bytes) == 0;
        const bool guarded = (to == 0 || dst[to - 1] == kGuard) && dst[to + bytes] == kGuard;
        if (!copied || !guarded) FAIL_CHECK("wrong copy");
      }
    }
  }
  SUCCEED();
}

TEST_CASE("many sources reduce in one pass, without a limit") {
  for (const Dtype dtype : {Dtype::kI32, Dtype::kF32, Dtype::kBF16}) {
    for (const ReduceShape shape : kShapes) {
      for (const std::size_t k : {64UL, 100UL, 1000UL}) {
        const Reduction reduction{{dtype, Combine::kSum}, shape, k, {7}};
        INFO(text_of(reduction));
        Random random(test_seed());
        Arrays arrays(dtype, k, 37, 1);
        arrays.fill(random);
        const auto expected = reference_of(reduction, arrays, 37);
        std::vector<std::byte> dst(arrays.bytes() + kGuardBytes);
        CHECK(reduces_to(expected, reduction, arrays, 37, dst.data(), Stores::kCached));
      }
    }
  }
}

}  // namespace tutti

// Element types and reduction operators: their C API values, sizes and names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tutti/tutti.h"

namespace tutti {

/// Values equal the C API's TUTTI_I8 … TUTTI_F64_I32.
enum class Dtype : std::uint8_t {
  kI8,
  kU8,
  kI32,
  kU32,
  kI64,
  kU64,
  kF16,
  kF32,
  kF64,
  kBF16,
  kF8E4M3,
  kF8E5M2,
  kF32I32,  // a value and its index
  kF64I32,  // the same, and 4 bytes of padding
};
inline constexpr int kDtypes = 14;

/// What is done to two elements. Avg is kSum with a Finish, a pre-scaled sum kSum after a
/// ScaleKernel (reduce.h).
enum class Combine : std::uint8_t {
  kSum,
  kProd,
  kMin,
  kMax,
  kBand,
  kBor,
  kBxor,
  kMinIndex,
  kMaxIndex
};
inline constexpr int kCombines = 9;

// Not inside the functions: an array there is laid out anew on the stack by every call.
inline constexpr std::uint8_t kDtypeBytes[kDtypes] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1, 8, 16};
inline constexpr std::string_view kDtypeNames[kDtypes] = {
    "i8",  "u8",  "i32",  "u32",    "i64",    "u64",     "f16",
    "f32", "f64", "bf16", "f8e4m3", "f8e5m2", "f32_i32", "f64_i32"};
inline constexpr std::string_view kCombineNames[kCombines] = {
    "sum", "prod", "min", "max", "band", "bor", "bxor", "min_index", "max_index"};

constexpr std::size_t size_of(Dtype dtype) { return kDtypeBytes[static_cast<int>(dtype)]; }
constexpr std::string_view name_of(Dtype dtype) { return kDtypeNames[static_cast<int>(dtype)]; }
constexpr std::string_view name_of(Combine combine) {
  return kCombineNames[static_cast<int>(combine)];
}

constexpr bool is_integer(Dtype dtype) { return dtype <= Dtype::kU64; }

/// A value with its index.
constexpr bool is_pair(Dtype dtype) { return dtype == Dtype::kF32I32 || dtype == Dtype::kF64I32; }

/// Bitwise operators take integers only; those with an index take pairs, and pairs only those.
constexpr bool supports(Dtype dtype, Combine combine) {
  if (is_pair(dtype)) return combine >= Combine::kMinIndex;
  return combine < Combine::kBand || (combine < Combine::kMinIndex && is_integer(dtype));
}

/// The dtype that a C API value or a name means; none if unknown.
constexpr std::optional<Dtype> dtype_of(tutti_dtype value) {
  if (value < 0 || value >= kDtypes) return std::nullopt;
  return static_cast<Dtype>(value);
}

constexpr std::optional<Dtype> dtype_named(std::string_view name) {
  for (int i = 0; i < kDtypes; ++i) {
    if (name_of(static_cast<Dtype>(i)) == name) return static_cast<Dtype>(i);
  }
  return std::nullopt;
}

}  // namespace tutti

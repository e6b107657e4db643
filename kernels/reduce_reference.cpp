// One element at a time, in the words of reduce.h. The order of every rounding is the contract.
#include "kernels/reduce_reference.h"

#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/small_float.h"

namespace tutti {
namespace {

template <class T>
T load_bits(const void* array, std::size_t index) {
  T value;
  std::memcpy(&value, static_cast<const std::byte*>(array) + index * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void store_bits(void* array, std::size_t index, T value) {
  std::memcpy(static_cast<std::byte*>(array) + index * sizeof(T), &value, sizeof(T));
}

// How a dtype is stored (Element), computed with (Value), and rounded in between.
template <class T>
struct Plain {
  using Element = T;
  using Value = T;

  static Value decode(Element element) { return element; }

  // NaNs carry nothing: neither which operand they came from nor the instruction set's taste.
  static Element encode(Value value) {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(value)) return std::numeric_limits<T>::quiet_NaN();
    }
    return value;
  }
};

template <FloatFormat format, class Storage>
struct Small {
  using Element = Storage;
  using Value = float;

  static Value decode(Element element) { return to_float(format, element); }
  static Element encode(Value value) { return static_cast<Element>(from_float(format, value)); }
};

// The sign of zero counts: -0 < +0, so that min and max do not depend on the order of operands.
template <class T>
T least(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
    if (a == b) return std::signbit(a) ? a : b;
  }
  return a < b ? a : b;
}

template <class T>
T greatest(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
    if (a == b) return std::signbit(a) ? b : a;
  }
  return a < b ? b : a;
}

// Unsigned, and at least as wide as int, so that sums and products wrap instead of overflowing.
template <class T>
auto wrapping(T a) {
  using Bits = std::make_unsigned_t<T>;
  return static_cast<std::common_type_t<Bits, unsigned>>(static_cast<Bits>(a));
}

template <Combine combine, class T>
T combine_integers(T a, T b) {
  const auto x = wrapping(a), y = wrapping(b);
  if constexpr (combine == Combine::kSum) return static_cast<T>(x + y);
  if constexpr (combine == Combine::kProd) return static_cast<T>(x * y);
  if constexpr (combine == Combine::kBand) return static_cast<T>(x & y);
  if constexpr (combine == Combine::kBor) return static_cast<T>(x | y);
  if constexpr (combine == Combine::kBxor) return static_cast<T>(x ^ y);
}

template <Combine combine, class T>
T combine_values(T a, T b) {
  if constexpr (combine == Combine::kMin) {
    return least(a, b);
  } else if constexpr (combine == Combine::kMax) {
    return greatest(a, b);
  } else if constexpr (std::is_integral_v<T>) {
    return combine_integers<combine>(a, b);
  } else {
    return combine == Combine::kSum ? a + b : a * b;
  }
}

template <class T>
T divide(T value, std::uint32_t divisor) {
  if (divisor == 1) return value;
  if constexpr (std::is_floating_point_v<T>) {
    return value / static_cast<T>(divisor);
  } else {
    // 64 bits hold every dtype and every divisor; C++ division rounds towards zero.
    using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
    return static_cast<T>(static_cast<Wide>(value) / static_cast<Wide>(divisor));
  }
}

template <class Type, Combine combine>
typename Type::Value fold(const void* const* sources, std::size_t k, std::size_t e) {
  auto value = Type::decode(load_bits<typename Type::Element>(sources[0], e));
  for (std::size_t s = 1; s < k; ++s) {
    const auto next = Type::decode(load_bits<typename Type::Element>(sources[s], e));
    value = combine_values<combine>(value, next);
  }
  return value;
}

template <class Type, Combine combine>
typename Type::Value combine_rounded(typename Type::Value a, typename Type::Value b) {
  return Type::decode(Type::encode(combine_values<combine>(a, b)));
}

// The operands of one element, as leaves of the balanced tree of reduce.h: of k operands the first
// 2r form r pairs, so that the leaves are a power of two.
template <class Type, Combine combine>
struct Leaves {
  const void* const* sources;
  std::size_t pairs;  // r
  std::size_t e;

  typename Type::Value source(std::size_t s) const {
    return Type::decode(load_bits<typename Type::Element>(sources[s], e));
  }

  typename Type::Value leaf(std::size_t i) const {
    if (i >= pairs) return source(pairs + i);
    return combine_rounded<Type, combine>(source(2 * i), source(2 * i + 1));
  }

  // The root over `count` leaves, a power of two, from leaf `first` on.
  typename Type::Value root(std::size_t first, std::size_t count) const {
    if (count == 1) return leaf(first);
    const auto left = root(first, count / 2);
    return combine_rounded<Type, combine>(left, root(first + count / 2, count / 2));
  }
};

template <class Type, Combine combine>
typename Type::Value balanced(const void* const* sources, std::size_t k, std::size_t e) {
  const std::size_t m = std::bit_floor(k);
  return Leaves<Type, combine>{sources, k - m, e}.root(0, m);
}

template <class Type, Combine combine, ReduceShape shape>
void reduce(void* dst, const void* const* sources, std::size_t k, std::size_t count, Finish finish,
            Stores /*stores*/) {
  assert(k >= 1 && finish.divisor >= 1);
  if (k == 1 && finish.divisor == 1) {
    if (count != 0) std::memmove(dst, sources[0], count * sizeof(typename Type::Element));
    return;
  }
  for (std::size_t e = 0; e < count; ++e) {
    const auto value = shape == ReduceShape::kFold ? fold<Type, combine>(sources, k, e)
                                                   : balanced<Type, combine>(sources, k, e);
    store_bits(dst, e, Type::encode(divide(value, finish.divisor)));
  }
}

template <class Type>
void scale(void* dst, const void* src, std::size_t count, const void* scalar) {
  const auto factor = Type::decode(load_bits<typename Type::Element>(scalar, 0));
  for (std::size_t e = 0; e < count; ++e) {
    const auto value = Type::decode(load_bits<typename Type::Element>(src, e));
    store_bits(dst, e, Type::encode(combine_values<Combine::kProd>(factor, value)));
  }
}

// ---- Pairs of a value and its index ------------------------------------------------------------

template <class T>
struct Pair {
  T value{};
  std::int32_t index = 0;
};

// Pairs are as long as two values: whatever follows the index is padding.
template <class T>
Pair<T> load_pair(const void* array, std::size_t e) {
  const auto* from = static_cast<const std::byte*>(array) + e * 2 * sizeof(T);
  Pair<T> pair;
  std::memcpy(&pair.value, from, sizeof pair.value);
  std::memcpy(&pair.index, from + sizeof(T), sizeof pair.index);
  return pair;
}

template <class T>
void store_pair(void* array, std::size_t e, const Pair<T>& pair) {
  auto* to = static_cast<std::byte*>(array) + e * 2 * sizeof(T);
  const T value = Plain<T>::encode(pair.value);
  std::memset(to, 0, 2 * sizeof(T));
  std::memcpy(to, &value, sizeof value);
  std::memcpy(to + sizeof(T), &pair.index, sizeof pair.index);
}

// Whether `a` is taken and not `b`, which differs from it.
template <class T, Combine combine>
bool comes_before(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && !std::isnan(b);
  const bool below = a == b ? std::signbit(a) && !std::signbit(b) : a < b;
  const bool above = a == b ? !std::signbit(a) && std::signbit(b) : a > b;
  return combine == Combine::kMinIndex ? below : above;
}

template <class T, Combine combine>
Pair<T> first_pair(const Pair<T>& a, const Pair<T>& b) {
  if (comes_before<T, combine>(a.value, b.value)) return a;
  if (comes_before<T, combine>(b.value, a.value)) return b;
  return a.index <= b.index ? a : b;
}

template <class T, Combine combine>
void reduce_pairs(void* dst, const void* const* sources, std::size_t k, std::size_t count,
                  [[maybe_unused]] Finish finish, Stores /*stores*/) {
  assert(k >= 1 && finish.divisor == 1);
  if (k == 1) {
    if (count != 0) std::memmove(dst, sources[0], count * 2 * sizeof(T));
    return;
  }
  for (std::size_t e = 0; e < count; ++e) {
    auto first = load_pair<T>(sources[0], e);
    for (std::size_t s = 1; s < k; ++s)
      first = first_pair<T, combine>(first, load_pair<T>(sources[s], e));
    store_pair(dst, e, first);
  }
}

template <class T>
ReduceKernel select_pairs(Combine combine) {
  return combine == Combine::kMinIndex ? reduce_pairs<T, Combine::kMinIndex>
                                       : reduce_pairs<T, Combine::kMaxIndex>;
}

// ---- The choice --------------------------------------------------------------------------------

// Calls `use` with the traits of a dtype that is no pair.
template <class Use>
auto with_type(Dtype dtype, Use use) {
  switch (dtype) {
    case Dtype::kI8:
      return use(Plain<std::int8_t>());
    case Dtype::kU8:
      return use(Plain<std::uint8_t>());
    case Dtype::kI32:
      return use(Plain<std::int32_t>());
    case Dtype::kU32:
      return use(Plain<std::uint32_t>());
    case Dtype::kI64:
      return use(Plain<std::int64_t>());
    case Dtype::kU64:
      return use(Plain<std::uint64_t>());
    case Dtype::kF16:
      return use(Small<kF16, std::uint16_t>());
    case Dtype::kF32:
      return use(Plain<float>());
    case Dtype::kF64:
      return use(Plain<double>());
    case Dtype::kBF16:
      return use(Small<kBF16, std::uint16_t>());
    case Dtype::kF8E4M3:
      return use(Small<kF8E4M3, std::uint8_t>());
    default:
      break;
  }
  return use(Small<kF8E5M2, std::uint8_t>());
}

template <class Type, ReduceShape shape>
ReduceKernel select(Combine combine) {
  switch (combine) {
    case Combine::kSum:
      return reduce<Type, Combine::kSum, shape>;
    case Combine::kProd:
      return reduce<Type, Combine::kProd, shape>;
    case Combine::kMin:
      return reduce<Type, Combine::kMin, shape>;
    case Combine::kMax:
      return reduce<Type, Combine::kMax, shape>;
    default:
      break;
  }
  if constexpr (std::is_integral_v<typename Type::Value>) {
    switch (combine) {
      case Combine::kBand:
        return reduce<Type, Combine::kBand, shape>;
      case Combine::kBor:
        return reduce<Type, Combine::kBor, shape>;
      case Combine::kBxor:
        return reduce<Type, Combine::kBxor, shape>;
      default:
        break;
    }
  }
  return nullptr;
}

}  // namespace

ReduceKernel reduce_reference(Dtype dtype, Combine combine, ReduceShape shape) {
  assert(supports(dtype, combine));
  if (dtype == Dtype::kF32I32) return select_pairs<float>(combine);
  if (dtype == Dtype::kF64I32) return select_pairs<double>(combine);
  return with_type(dtype, [&]<class Type>(Type) {
    return shape == ReduceShape::kFold ? select<Type, ReduceShape::kFold>(combine)
                                       : select<Type, ReduceShape::kBalanced>(combine);
  });
}

ScaleKernel scale_reference(Dtype dtype) {
  assert(!is_pair(dtype));
  return with_type(dtype, []<class Type>(Type) -> ScaleKernel { return scale<Type>; });
}

}  // namespace tutti

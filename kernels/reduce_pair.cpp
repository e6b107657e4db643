// The kernels of pairs: a float and its index.
#include "kernels/families.h"
#include "kernels/simd_targets.h"

#define HWY_TARGET_INCLUDE "kernels/reduce_pair.cpp"
#include "hwy/foreach_target.h"  // includes this file again for each instruction set
#include "kernels/passes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

// Pairs as lanes. T is the integer as wide as the float; the index fills it, or its lower half.
template <class T>
struct PairLanes {
  using Float = std::conditional_t<sizeof(T) == 4, float, double>;
  static constexpr std::size_t kBytes = 2 * sizeof(T);

  template <class D>
  struct Pairs {
    hn::Vec<D> value, index;  // bits of the float; the index, sign-extended
  };

  template <class D>
  static HWY_INLINE Pairs<D> load(D d, const std::byte* from) {
    Pairs<D> pairs;
    if constexpr (hn::MaxLanes(D()) == 1) {
      T both[2];
      std::memcpy(both, from, sizeof both);
      pairs = {hn::Set(d, both[0]), hn::Set(d, both[1])};
    } else {
      hn::LoadInterleaved2(d, reinterpret_cast<const T*>(from), pairs.value, pairs.index);
    }
    if constexpr (sizeof(T) == 8) pairs.index = hn::ShiftRight<32>(hn::ShiftLeft<32>(pairs.index));
    return pairs;
  }

  template <class D>
  static HWY_INLINE void store(D d, const Pairs<D>& pairs, std::byte* to) {
    const auto nan = hn::IsNaN(hn::BitCast(hn::RebindToFloat<D>(), pairs.value));
    const auto value = hn::IfThenElse(hn::RebindMask(d, nan), quiet_nan(d), pairs.value);
    auto index = pairs.index;
    if constexpr (sizeof(T) == 8) index = hn::And(index, hn::Set(d, T{0xFFFFFFFF}));  // no padding
    if constexpr (hn::MaxLanes(D()) == 1) {
      const T both[2] = {hn::GetLane(value), hn::GetLane(index)};
      std::memcpy(to, both, sizeof both);
    } else {
      hn::StoreInterleaved2(value, index, d, reinterpret_cast<T*>(to));
    }
  }

  template <class D>
  static HWY_INLINE hn::Vec<D> quiet_nan(D d) {
    return hn::Set(d, std::bit_cast<T>(std::numeric_limits<Float>::quiet_NaN()));
  }

  // Integers in the order in which values are taken, the greatest one first. A negative float's
  // magnitude bits are flipped, as two's complement wants them.
  template <Combine kCombine, class D>
  static HWY_INLINE hn::Vec<D> rank_of(D d, hn::Vec<D> value) {
    const auto nan = hn::IsNaN(hn::BitCast(hn::RebindToFloat<D>(), value));
    const auto greatest = hn::Set(d, std::numeric_limits<T>::max());
    const auto negative = hn::BroadcastSignBit(value);
    auto rank = hn::Xor(value, hn::And(negative, greatest));
    if constexpr (kCombine == Combine::kMinIndex) rank = hn::Not(rank);
    return hn::IfThenElse(hn::RebindMask(d, nan), greatest, rank);
  }
};

// Reduces as many pairs as D has lanes.
template <class T, Combine kCombine, class D>
HWY_INLINE void reduce_some(D d, std::byte* dst, const void* const* sources, std::size_t k,
                            std::size_t e) {
  using Lanes = PairLanes<T>;
  const auto at = [&](std::size_t s) {
    return Lanes::load(d, static_cast<const std::byte*>(sources[s]) + e * Lanes::kBytes);
  };
  auto first = at(0);
  auto rank = Lanes::template rank_of<kCombine>(d, first.value);
  for (std::size_t s = 1; s < k; ++s) {
    const auto next = at(s);
    const auto next_rank = Lanes::template rank_of<kCombine>(d, next.value);
    const auto equal = hn::And(hn::Eq(next_rank, rank), hn::Lt(next.index, first.index));
    const auto better = hn::Or(hn::Gt(next_rank, rank), equal);
    first.value = hn::IfThenElse(better, next.value, first.value);
    first.index = hn::IfThenElse(better, next.index, first.index);
    rank = hn::IfThenElse(better, next_rank, rank);
  }
  Lanes::store(d, first, dst + e * Lanes::kBytes);
}

template <class T, Combine kCombine>
void reduce_pairs(void* dst, const void* const* sources, std::size_t k, std::size_t count,
                  [[maybe_unused]] Finish finish, Stores stores) {
  assert(k >= 1 && finish.divisor == 1);
  if (k == 1) {
    if (dst != sources[0]) copy_bytes(dst, sources[0], count * PairLanes<T>::kBytes, stores);
    return;
  }
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  auto* const out = static_cast<std::byte*>(dst);
  std::size_t e = 0;
  for (; count - e >= hn::Lanes(d); e += hn::Lanes(d))
    reduce_some<T, kCombine>(d, out, sources, k, e);
  for (; e < count; ++e) reduce_some<T, kCombine>(one, out, sources, k, e);
}

template <class T>
ReduceKernel pick_pairs(Combine combine) {
  return combine == Combine::kMinIndex ? reduce_pairs<T, Combine::kMinIndex>
                                       : reduce_pairs<T, Combine::kMaxIndex>;
}

ReduceKernel find_pair_kernel(Dtype dtype, Combine combine) {
  return dtype == Dtype::kF32I32 ? pick_pairs<std::int32_t>(combine)
                                 : pick_pairs<std::int64_t>(combine);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(find_pair_kernel);

ReduceKernel pair_kernel(Dtype dtype, Combine combine) {
  return HWY_DYNAMIC_DISPATCH(find_pair_kernel)(dtype, combine);
}

}  // namespace tutti
#endif  // HWY_ONCE

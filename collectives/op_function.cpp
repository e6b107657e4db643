#include "collectives/op_function.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tutti {
namespace {

constexpr std::uint64_t kToken = 0x6f702066756e6374;

/// One piece of all sources.
class FunctionPiece {
 public:
  FunctionPiece(const OpFunction& function, Dtype dtype, const void* const* sources, std::size_t k,
                std::size_t first, std::size_t count)
      : function_(function),
        dtype_(dtype),
        sources_(sources),
        k_(k),
        offset_(first * size_of(dtype)),
        count_(count) {}

  std::size_t bytes() const { return count_ * size_of(dtype_); }

  // ((s0 ∘ s1) ∘ s2) ∘ …
  void fold(std::byte* result) const {
    alignas(kAlignment) std::byte so_far[kFunctionBytes];
    load(0, so_far);
    for (std::size_t s = 1; s < k_; ++s) {
      load(s, result);
      combine(so_far, result);
      if (s + 1 < k_) std::memcpy(so_far, result, bytes());
    }
  }

  // The tree of ReduceShape::kBalanced.
  void balance(std::byte* result) const { root(0, std::bit_floor(k_), result); }

  static constexpr std::size_t kAlignment = 64;

 private:
  void load(std::size_t s, std::byte* to) const {
    std::memcpy(to, static_cast<const std::byte*>(sources_[s]) + offset_, bytes());
  }
  void combine(const std::byte* lower, std::byte* higher) const {
    function_.combine(lower, higher, count_, static_cast<tutti_dtype>(dtype_), function_.context);
  }

  void leaf(std::size_t i, std::byte* result) const {
    const std::size_t pairs = k_ - std::bit_floor(k_);
    if (i >= pairs) return load(pairs + i, result);
    alignas(kAlignment) std::byte lower[kFunctionBytes];
    load(2 * i, lower);
    load(2 * i + 1, result);
    combine(lower, result);
  }

  // Of leaves first … first+count-1, a power of two. As deep as the tree is high.
  void root(std::size_t first, std::size_t count, std::byte* result) const {
    if (count == 1) return leaf(first, result);
    alignas(kAlignment) std::byte lower[kFunctionBytes];
    root(first, count / 2, lower);
    root(first + count / 2, count / 2, result);
    combine(lower, result);
  }

  const OpFunction& function_;
  const Dtype dtype_;
  const void* const* sources_;
  const std::size_t k_, offset_, count_;
};

// Whether the stack holds `of`'s frame still: then we are called from below it, and its token is
// there. (What has been left may still be, if nothing has been written over it since: then a call
// that comes from deeper down than the function was is taken for the function's own.)
__attribute__((noinline, no_sanitize("address", "thread"))) bool on_stack(const ThreadState& of) {
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  return here < reinterpret_cast<std::uintptr_t>(of.token) && *of.token == kToken;
}

}  // namespace

thread_local constinit ThreadState thread_state;

void combine_by(const OpFunction& function, Dtype dtype, ReduceShape shape, void* dst,
                const void* const* sources, std::size_t k, std::size_t count) {
  alignas(FunctionPiece::kAlignment) std::byte result[kFunctionBytes];
  const std::size_t most = kFunctionBytes / size_of(dtype);
  for (std::size_t first = 0; first < count; first += most) {
    const FunctionPiece piece(function, dtype, sources, k, first, std::min(most, count - first));
    shape == ReduceShape::kFold ? piece.fold(result) : piece.balance(result);
    std::memcpy(static_cast<std::byte*>(dst) + first * size_of(dtype), result, piece.bytes());
  }
}

InFunction::InFunction(CallWithFunction& call, const Executor& executor) : token_(kToken) {
  thread_state.executor = &executor;
  thread_state.token = &token_;
  thread_state.call = &call;
}

InFunction::~InFunction() {
  token_ = 0;
  thread_state.call = nullptr;
}

bool within_function() {
  if (on_stack(thread_state)) return true;
  CallWithFunction& call = *thread_state.call;
  thread_state.call = nullptr;
  thread_state.in_use->store(false, std::memory_order_relaxed);
  call.left(*thread_state.executor);
  return false;
}

}  // namespace tutti

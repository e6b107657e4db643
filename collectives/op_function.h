// Combining by a caller's function, which may throw, jump out by longjmp(), or call Tutti.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "collectives/ops.h"
#include "kernels/reduce.h"

namespace tutti {

class Executor;

/// dst = the sources combined by the function, in the order and shape of reduce.h; k ≥ 2. dst may
/// be one of the sources exactly. The function gets pieces of at most kFunctionBytes, in aligned
/// memory of our own: what peers own is only read. Allocates nothing. Throws what the function
/// throws.
void combine_by(const OpFunction& function, Dtype dtype, ReduceShape shape, void* dst,
                const void* const* sources, std::size_t k, std::size_t count);
inline constexpr std::size_t kFunctionBytes = 2048;

/// A call in which an op's function runs, told when it has left that by longjmp().
class CallWithFunction {
 public:
  /// Ends the call for good. By the thread that was in it.
  virtual void left(const Executor& executor) noexcept = 0;

 protected:
  ~CallWithFunction() = default;
};

/// What this thread is doing as far as longjmp() may cut it short: plain data, for whoever jumps
/// runs no destructors.
struct ThreadState {
  std::atomic<bool>* in_use = nullptr;  // of the communicator that the thread's last call is on
  CallWithFunction* call = nullptr;     // not null: an op's function was called, and has not
                                        // returned
  const Executor* executor = nullptr;   // which called it
  const volatile std::uint64_t* token = nullptr;  // on the caller's stack, as long as it is there
};

/// Every call looks at it, so it is not behind a function, nor found by one (initial-exec).
extern thread_local constinit ThreadState thread_state [[gnu::tls_model("initial-exec")]];

/// This thread is in an op's function from here to the end of the scope.
class InFunction {
 public:
  InFunction(CallWithFunction& call, const Executor& executor);
  ~InFunction();
  InFunction(const InFunction&) = delete;
  InFunction& operator=(const InFunction&) = delete;

 private:
  volatile std::uint64_t token_;
};

/// For a thread that has called an op's function which has not returned, and now makes another
/// call. True: it does so from within the function. False: it had left it by longjmp(); the call
/// that was cut short has ended now.
bool within_function();

}  // namespace tutti

/**
 * What tutti.hpp is made of, which includes it: errors, element types, requests, registered memory,
 * created ops.
 */
#ifndef TUTTI_OWNERS_HPP
#define TUTTI_OWNERS_HPP

#include "tutti/tutti.h"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tutti::cpp {

// ---- Errors -------------------------------------------------------------------------------------

/// A call failed; what() tells the whole story.
class Error : public std::runtime_error {
 public:
  Error(tutti_status status, const std::string& text)
      : std::runtime_error(std::string(tutti_status_name(status)) + ": " + text), status_(status) {}

  tutti_status status() const noexcept { return status_; }

 private:
  tutti_status status_;
};

namespace detail {

inline void check(tutti_status status) {
  if (status != TUTTI_OK) throw Error(status, tutti_error_text(nullptr));
}

template <typename T>
constexpr tutti_dtype deduce_dtype() {
  if constexpr (std::same_as<T, float>) return TUTTI_F32;
  if constexpr (std::same_as<T, double>) return TUTTI_F64;
  if constexpr (std::same_as<T, std::byte>) return TUTTI_U8;
  if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    constexpr bool kSigned = std::is_signed_v<T>;
    if constexpr (sizeof(T) == 1) return kSigned ? TUTTI_I8 : TUTTI_U8;
    if constexpr (sizeof(T) == 4) return kSigned ? TUTTI_I32 : TUTTI_U32;
    if constexpr (sizeof(T) == 8) return kSigned ? TUTTI_I64 : TUTTI_U64;
  }
  return -1;
}

}  // namespace detail

// ---- Elements and arrays ------------------------------------------------------------------------

/// The dtype of a C++ type; -1 if it has none. Specialise it for types of your own:
///   template <> inline constexpr tutti_dtype tutti::cpp::dtype_of<my::half> = TUTTI_F16;
template <typename T>
inline constexpr tutti_dtype dtype_of = detail::deduce_dtype<T>();

/// A value and its index, for TUTTI_MIN_INDEX and TUTTI_MAX_INDEX.
template <typename Value>
struct Indexed {
  Value value;
  std::int32_t index;
};
template <>
inline constexpr tutti_dtype dtype_of<Indexed<float>> = TUTTI_F32_I32;
template <>
inline constexpr tutti_dtype dtype_of<Indexed<double>> = TUTTI_F64_I32;

/// Bytes of one element; 0 for an unknown dtype.
inline std::size_t dtype_size(tutti_dtype dtype) { return tutti_dtype_size(dtype); }

/// An element that Tutti knows.
template <typename T>
concept Element = std::is_trivially_copyable_v<T> && dtype_of<T>
>= 0;

/// Elements that lie one after the other.
template <typename R>
concept Array = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    Element<std::ranges::range_value_t<R>>;

/// An array that may be written.
template <typename R>
concept WritableArray =
    Array<R> && !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>;

/// What a call reads or writes beside an array R: any array of the same elements, or {}.
template <Array R>
using Input = std::span<const std::ranges::range_value_t<R>>;
template <Array R>
using Output = std::span<std::ranges::range_value_t<R>>;

// ---- Requests -----------------------------------------------------------------------------------

class Request;

/// Options of one call, as tutti_options. Name those that matter: {.algorithm = "ring"}.
struct Options {
  const char* algorithm = nullptr;
  std::chrono::milliseconds timeout{-1};
  Request* request = nullptr;  // the call does not block: it is put there
  bool persistent = false;     // with a request: the call is only prepared
  bool reproducible = false;   // bits that depend on the inputs and their ranks alone
};

/// A call that is in flight, or prepared. Its arrays must outlive it. The destructor waits until
/// the call is complete, at most until its deadline.
class Request {
 public:
  Request() = default;

  /// Whether there is a call: false once it is complete, unless it is persistent.
  explicit operator bool() const noexcept { return handle_ != nullptr; }

  /// Whether the call is complete. Never blocks.
  bool test() {
    std::int32_t done = 0;
    const tutti_status status = tutti_test(handle_.get(), &done);
    settle(status, status != TUTTI_OK || done != 0);
    return done != 0;
  }

  /// Blocks until the call is complete.
  void wait() { settle(tutti_wait(handle_.get()), true); }

  /// Starts a persistent call once more.
  void start() { detail::check(tutti_request_start(handle_.get())); }

 private:
  friend class Communicator;
  friend class Group;
  friend void wait_all(std::span<Request> requests);
  friend std::optional<std::size_t> wait_any(std::span<Request> requests);

  struct End {
    void operator()(tutti_request* request) const {
      tutti_wait(request);          // refused if it is prepared only
      tutti_request_free(request);  // refused if it was no persistent one: it is gone
    }
  };

  Request(tutti_request* handle, bool persistent) : handle_(handle), persistent_(persistent) {}

  /// After the C API has spoken. A call that failed is gone, too; a refusal changed nothing.
  void settle(tutti_status status, bool complete) {
    if (complete && !persistent_ && status != TUTTI_INVALID) handle_.release();
    detail::check(status);
  }

  /// Makes a call with options, and puts its request where they say.
  template <typename Call>
  static void perform(const Options& options, Call call) {
    tutti_request* request = nullptr;
    tutti_options o = TUTTI_OPTIONS_INIT;
    o.algorithm = options.algorithm;
    o.timeout_ms = options.timeout.count();
    o.request = options.request == nullptr ? nullptr : &request;
    o.persistent = options.persistent ? 1 : 0;
    o.reproducible = options.reproducible ? 1 : 0;
    detail::check(call(&o));
    if (request != nullptr) *options.request = Request(request, options.persistent);
  }

  template <typename Call>
  static tutti_status with_handles(std::span<Request> requests, Call call) {
    std::vector<tutti_request*> handles;
    for (const Request& request : requests) handles.push_back(request.handle_.get());
    const tutti_status status = call(handles.data(), handles.size());
    for (std::size_t i = 0; i < handles.size(); ++i)
      if (handles[i] == nullptr) requests[i].handle_.release();
    return status;
  }

  std::unique_ptr<tutti_request, End> handle_;
  bool persistent_ = false;
};

/// Waits for all; those without a call are skipped.
inline void wait_all(std::span<Request> requests) {
  detail::check(Request::with_handles(requests, &tutti_wait_all));
}

/// Waits until any is complete, and says which; none if no request has a call.
inline std::optional<std::size_t> wait_any(std::span<Request> requests) {
  std::size_t index = 0;
  const tutti_status status =
      Request::with_handles(requests, [&](tutti_request** handles, std::size_t count) {
        return tutti_wait_any(handles, count, &index);
      });
  if (status == TUTTI_NOT_FOUND) return std::nullopt;
  detail::check(status);
  return index;
}

// ---- Memory and operations ----------------------------------------------------------------------

/// Registered memory: an array of `size()` elements, zeroed at first.
template <Element T>
class Memory {
 public:
  Memory() = default;

  T* data() const noexcept { return elements_.get(); }
  std::size_t size() const noexcept { return size_; }
  T* begin() const noexcept { return data(); }
  T* end() const noexcept { return data() + size_; }
  T& operator[](std::size_t index) const { return data()[index]; }

 private:
  friend class Communicator;

  struct Free {
    void operator()(T* elements) const { tutti_free(elements, comm); }
    tutti_comm* comm = nullptr;
  };

  Memory(T* elements, std::size_t size, tutti_comm* comm)
      : elements_(elements, Free{comm}), size_(size) {}

  std::unique_ptr<T[], Free> elements_;
  std::size_t size_ = 0;
};

/// An op that was created. Serves wherever a call takes a tutti_op.
class Op {
 public:
  Op(Op&& other) noexcept
      : op_(std::exchange(other.op_, 0)),
        comm_(other.comm_),
        function_(std::move(other.function_)) {}
  Op& operator=(Op&& other) noexcept {
    std::swap(op_, other.op_);
    std::swap(comm_, other.comm_);
    std::swap(function_, other.function_);
    return *this;
  }
  ~Op() {
    if (op_ != 0) tutti_op_free(op_, comm_);
  }

  operator tutti_op() const noexcept { return op_; }

 private:
  friend class Communicator;
  using Function = std::function<void(const void*, void*, std::size_t, tutti_dtype)>;

  Op(tutti_op op, tutti_comm* comm, std::unique_ptr<Function> function = nullptr)
      : op_(op), comm_(comm), function_(std::move(function)) {}

  static void apply(const void* in, void* inout, std::size_t count, tutti_dtype dtype,
                    void* function) {
    (*static_cast<Function*>(function))(in, inout, count, dtype);
  }

  tutti_op op_;
  tutti_comm* comm_;
  std::unique_ptr<Function> function_;  // the op's context: its address must stay
};

/// Leaves in `result` the bits that a reproducible call of as many ranks as there are inputs, each
/// with as many elements as `result`, would leave.
template <WritableArray R>
void replay_reduce(const std::vector<Input<R>>& inputs, R&& result, tutti_op op) {
  const Output<R> out(result);
  std::vector<const void*> pointers;
  for (const Input<R>& input : inputs) {
    if (input.size() != out.size())
      throw Error(TUTTI_INVALID, "replay_reduce: an input has " + std::to_string(input.size()) +
                                     " elements, result " + std::to_string(out.size()));
    pointers.push_back(input.data());
  }
  detail::check(tutti_replay_reduce(pointers.data(), out.data(), out.size(),
                                    dtype_of<std::ranges::range_value_t<R>>, op,
                                    static_cast<std::int32_t>(pointers.size())));
}

}  // namespace tutti::cpp

#endif  // TUTTI_OWNERS_HPP

/**
 * Tutti in C++20: the C API (tutti.h, whose contracts hold here too) with owners, spans and types.
 *
 *  - What is started, allocated, created or opened is ended by its owner's destructor, which drops
 *    errors; finish(), wait() and end() report them. Owners move and do not copy. End what was made
 *    on a communicator before the communicator.
 *  - Arrays are contiguous ranges: std::vector, std::array, std::span, Memory. Counts are their
 *    sizes, which are checked; the dtype is that of their elements (dtype_of). Where a rank neither
 *    reads nor writes an array, give {}.
 *  - Failures are thrown as Error, which carries the status and the whole story.
 *
 *     tutti::cpp::Communicator comm;
 *     std::vector<float> x(1000, 1.0F);
 *     comm.all_reduce(x, x, TUTTI_SUM);
 */
#ifndef TUTTI_TUTTI_HPP
#define TUTTI_TUTTI_HPP

#include "tutti/owners.hpp"
#include "tutti/tutti.h"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tutti::cpp {

/// An algorithm that could serve a call.
struct Candidate {
  std::string name;
  double predicted_s;
  bool chosen;
};

/// How to join a world, as tutti_config; what is left out comes from the environment.
struct Config {
  std::int32_t rank = -1, size = -1;
  std::string address{};
  std::chrono::milliseconds start_timeout{-1}, call_timeout{-1};
};

/// The version of the library, in the form of TUTTI_VERSION.
inline std::int32_t version() {
  std::int32_t version = 0;
  detail::check(tutti_version(&version));
  return version;
}

// ---- Communicators ------------------------------------------------------------------------------

class Communicator {
 public:
  /// Joins the world. Collective.
  explicit Communicator(const Config& config = {}) : Communicator(started(config), &tutti_finish) {}

  std::int32_t rank() const noexcept { return rank_; }
  std::int32_t size() const noexcept { return size_; }
  /// For calls of the C API.
  tutti_comm* handle() const noexcept { return comm_.get(); }

  /// Leaves the world, or frees a communicator that was made from another, and throws what the
  /// destructor would drop: above all, that the last calls differed between the ranks. Refused
  /// (TUTTI_INVALID), it changes nothing.
  void finish() {
    const tutti_status status = comm_.get_deleter()(comm_.get());
    if (status != TUTTI_INVALID) comm_.release();
    detail::check(status);
  }

  /// The ranks that gave the same colour, in the order of key; none for TUTTI_NO_COLOUR.
  std::optional<Communicator> split(std::int32_t colour, std::int32_t key = 0) {
    tutti_comm* child = nullptr;
    detail::check(tutti_comm_split(&child, colour, key, comm_.get()));
    if (child == nullptr) return std::nullopt;
    return Communicator(child, &tutti_comm_free);
  }

  /// The same ranks; its calls are independent.
  Communicator duplicate() {
    tutti_comm* child = nullptr;
    detail::check(tutti_comm_duplicate(&child, comm_.get()));
    return Communicator(child, &tutti_comm_free);
  }

  /// `count` elements of registered memory.
  template <Element T>
  Memory<T> alloc(std::size_t count) {
    if (count > PTRDIFF_MAX / sizeof(T))
      throw Error(TUTTI_INVALID, "alloc: " + std::to_string(count) + " elements are too many");
    void* memory = nullptr;
    detail::check(tutti_alloc(&memory, count * sizeof(T), comm_.get()));
    return Memory<T>(static_cast<T*>(memory), count, comm_.get());
  }

  /// Sums scalar x input; for elements of type T.
  template <Element T>
  Op pre_scaled_sum(const T& scalar) {
    tutti_op op = 0;
    detail::check(tutti_op_create_pre_scaled(&op, &scalar, dtype_of<T>, comm_.get()));
    return Op(op, comm_.get());
  }

  /// Combines elements of type T by `function`, T(const T& lower, const T& higher): associative,
  /// and commutative or not, then called in the order of the ranks. It must not call Tutti.
  template <Element T, std::invocable<const T&, const T&> F>
  Op create_op(F function, bool commutative) {
    auto combine = std::make_unique<Op::Function>(
        [function = std::move(function)](const void* in, void* inout, std::size_t count,
                                         tutti_dtype dtype) {
          if (dtype != dtype_of<T>) throw Error(TUTTI_INVALID, "the op is for another dtype");
          const T* const lower = static_cast<const T*>(in);
          T* const higher = static_cast<T*>(inout);
          for (std::size_t i = 0; i < count; ++i) higher[i] = function(lower[i], higher[i]);
        });
    tutti_op op = 0;
    detail::check(
        tutti_op_create(&op, &Op::apply, combine.get(), commutative ? 1 : 0, comm_.get()));
    return Op(op, comm_.get(), std::move(combine));
  }

  /// The algorithms that could serve a call of `count` elements.
  std::vector<Candidate> candidates(tutti_collective collective, std::size_t count,
                                    tutti_dtype dtype = TUTTI_F32, tutti_op op = TUTTI_SUM) {
    std::vector<Candidate> found;
    for (;;) {
      tutti_candidate_info info = TUTTI_CANDIDATE_INFO_INIT;
      const tutti_status status =
          tutti_candidate(collective, count, dtype, op, comm_.get(), found.size(), &info);
      if (status == TUTTI_NOT_FOUND) return found;
      detail::check(status);
      found.push_back({info.name, info.predicted_s, info.chosen != 0});
    }
  }

  // ---- Collectives; with one array instead of two: in place -----------------------------------

  /// recv on each rank = op over all ranks' send.
  template <WritableArray R>
  void all_reduce(Input<R> send, R&& recv, tutti_op op, const Options& options = {}) {
    const Output<R> out(recv);
    expect_size("all_reduce: recv", out.size(), send.size());
    perform(options, &tutti_all_reduce, send.data(), out.data(), out.size(), kDtype<R>, op);
  }
  template <WritableArray R>
  void all_reduce(R&& data, tutti_op op, const Options& options = {}) {
    all_reduce(data, data, op, options);
  }

  /// recv on each rank = send on the root; elsewhere send may be {}.
  template <WritableArray R>
  void broadcast(Input<R> send, R&& recv, std::int32_t root, const Options& options = {}) {
    const Output<R> out(recv);
    if (root == rank_) expect_size("broadcast: recv", out.size(), send.size());
    perform(options, &tutti_broadcast, send.data(), out.data(), out.size(), kDtype<R>, root);
  }
  template <WritableArray R>
  void broadcast(R&& data, std::int32_t root, const Options& options = {}) {
    broadcast(data, data, root, options);
  }

  /// recv on the root = op over all ranks' send; elsewhere recv may be {}.
  template <Array S>
  void reduce(const S& send, Output<S> recv, tutti_op op, std::int32_t root,
              const Options& options = {}) {
    const Input<S> in(send);
    if (root == rank_) expect_size("reduce: recv", recv.size(), in.size());
    perform(options, &tutti_reduce, in.data(), recv.data(), in.size(), kDtype<S>, op, root);
  }
  template <WritableArray R>
  void reduce(R&& data, tutti_op op, std::int32_t root, const Options& options = {}) {
    reduce(data, data, op, root, options);
  }

  /// recv on rank r = op over all ranks' block r of send, size() blocks.
  template <WritableArray R>
  void reduce_scatter(Input<R> send, R&& recv, tutti_op op, const Options& options = {}) {
    const Output<R> out(recv);
    expect_size("reduce_scatter: send", send.size(), blocks(out.size()));
    perform(options, &tutti_reduce_scatter, send.data(), out.data(), out.size(), kDtype<R>, op);
  }

  /// recv on each rank = all ranks' send, in rank order.
  template <WritableArray R>
  void all_gather(Input<R> send, R&& recv, const Options& options = {}) {
    const Output<R> out(recv);
    expect_size("all_gather: recv", out.size(), blocks(send.size()));
    perform(options, &tutti_all_gather, send.data(), out.data(), send.size(), kDtype<R>);
  }

  /// recv on the root = all ranks' send, in rank order; elsewhere recv may be {}.
  template <Array S>
  void gather(const S& send, Output<S> recv, std::int32_t root, const Options& options = {}) {
    const Input<S> in(send);
    if (root == rank_) expect_size("gather: recv", recv.size(), blocks(in.size()));
    perform(options, &tutti_gather, in.data(), recv.data(), in.size(), kDtype<S>, root);
  }

  /// recv on rank r = block r of the root's send, size() blocks; elsewhere send may be {}.
  template <WritableArray R>
  void scatter(Input<R> send, R&& recv, std::int32_t root, const Options& options = {}) {
    const Output<R> out(recv);
    if (root == rank_) expect_size("scatter: send", send.size(), blocks(out.size()));
    perform(options, &tutti_scatter, send.data(), out.data(), out.size(), kDtype<R>, root);
  }

  /// Block s of recv on rank d = block d of send on rank s.
  template <WritableArray R>
  void all_to_all(Input<R> send, R&& recv, const Options& options = {}) {
    const Output<R> out(recv);
    const std::size_t block = out.size() / static_cast<std::size_t>(size_);
    expect_size("all_to_all: recv", out.size(), blocks(block));
    expect_size("all_to_all: send", send.size(), out.size());
    perform(options, &tutti_all_to_all, send.data(), out.data(), block, kDtype<R>);
  }

  /// recv on rank r = op over send of ranks 0 … r.
  template <WritableArray R>
  void scan(Input<R> send, R&& recv, tutti_op op, const Options& options = {}) {
    const Output<R> out(recv);
    expect_size("scan: recv", out.size(), send.size());
    perform(options, &tutti_scan, send.data(), out.data(), out.size(), kDtype<R>, op);
  }
  template <WritableArray R>
  void scan(R&& data, tutti_op op, const Options& options = {}) {
    scan(data, data, op, options);
  }

  /// recv on rank r = op over send of ranks 0 … r-1; on rank 0 undefined.
  template <WritableArray R>
  void exclusive_scan(Input<R> send, R&& recv, tutti_op op, const Options& options = {}) {
    const Output<R> out(recv);
    expect_size("exclusive_scan: recv", out.size(), send.size());
    perform(options, &tutti_exclusive_scan, send.data(), out.data(), out.size(), kDtype<R>, op);
  }
  template <WritableArray R>
  void exclusive_scan(R&& data, tutti_op op, const Options& options = {}) {
    exclusive_scan(data, data, op, options);
  }

  void barrier(const Options& options = {}) { perform(options, &tutti_barrier); }

  // ---- Messages -------------------------------------------------------------------------------

  template <Array S>
  void send(const S& data, std::int32_t to, const Options& options = {}) {
    const Input<S> in(data);
    perform(options, &tutti_send, in.data(), in.size(), kDtype<S>, to);
  }

  template <WritableArray R>
  void recv(R&& data, std::int32_t from, const Options& options = {}) {
    const Output<R> out(data);
    perform(options, &tutti_recv, out.data(), out.size(), kDtype<R>, from);
  }

  template <WritableArray R>
  void send_recv(Input<R> send, std::int32_t to, R&& recv, std::int32_t from,
                 const Options& options = {}) {
    const Output<R> out(recv);
    perform(options, &tutti_send_recv, send.data(), send.size(), to, out.data(), out.size(), from,
            kDtype<R>);
  }

 private:
  using Closer = tutti_status (*)(tutti_comm*);

  Communicator(tutti_comm* comm, Closer closer) : comm_(comm, closer) {
    detail::check(tutti_rank(comm, &rank_));
    detail::check(tutti_size(comm, &size_));
  }

  static tutti_comm* started(const Config& config) {
    tutti_config c = TUTTI_CONFIG_INIT;
    c.rank = config.rank;
    c.size = config.size;
    if (!config.address.empty()) c.address = config.address.c_str();
    c.start_timeout_ms = config.start_timeout.count();
    c.call_timeout_ms = config.call_timeout.count();
    tutti_comm* comm = nullptr;
    detail::check(tutti_start(&comm, &c));
    return comm;
  }

  template <typename R>
  static constexpr tutti_dtype kDtype = dtype_of<std::ranges::range_value_t<R>>;

  /// Elements of size() blocks; what no array has, where that is more than can be counted.
  std::size_t blocks(std::size_t count) const {
    const auto ranks = static_cast<std::size_t>(size_);
    return count > SIZE_MAX / ranks ? SIZE_MAX : count * ranks;
  }

  void expect_size(const char* array, std::size_t size, std::size_t expected) const {
    if (size == expected) return;
    throw Error(TUTTI_INVALID, "rank " + std::to_string(rank_) + ": " + array + " has " +
                                   std::to_string(size) + " elements, but the call takes " +
                                   std::to_string(expected));
  }

  template <typename Function, typename... Arguments>
  void perform(const Options& options, Function function, Arguments... arguments) {
    Request::perform(options,
                     [&](const tutti_options* o) { return function(arguments..., handle(), o); });
  }

  std::unique_ptr<tutti_comm, Closer> comm_;
  std::int32_t rank_ = 0, size_ = 0;
};

/// A group of calls: from its construction on, calls on the communicator wait for end(), which
/// makes them all at the same time. The destructor makes them, too, and drops errors.
class Group {
 public:
  explicit Group(Communicator& comm) : comm_(comm.handle()) {
    detail::check(tutti_group_start(comm_));
  }
  ~Group() {
    if (comm_ != nullptr) tutti_group_end(comm_, nullptr);
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  /// With a request, it stands for all calls of the group.
  void end(const Options& options = {}) {
    Request::perform(options, [&](const tutti_options* o) {
      const tutti_status status = tutti_group_end(comm_, o);
      if (status != TUTTI_INVALID) comm_ = nullptr;  // refused, the group stays open
      return status;
    });
  }

 private:
  tutti_comm* comm_;
};

}  // namespace tutti::cpp

#endif  // TUTTI_TUTTI_HPP

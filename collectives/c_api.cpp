// The door: checks what the caller gives, converts it, and lets no exception out.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "collectives/algorithms.h"
#include "collectives/communicator.h"
#include "collectives/handles.h"
#include "kernels/error.h"
#include "transport/bootstrap/environment.h"
#include "transport/bootstrap/world.h"
#include "tutti/tutti.h"

namespace tutti {
namespace {

// What tutti_error_text(NULL) returns.
std::string& thread_error() {
  thread_local std::string text = "no error";
  return text;
}

// Keeps the text for tutti_error_text(), on the communicator if there is a usable one.
tutti_status record(const tutti_comm* comm, tutti_status status, const char* text) noexcept {
  try {
    thread_error() = text;
    if (comm != nullptr) HandleTable::instance().find(comm).error = text;
  } catch (...) {  // no memory for a text, or no such handle: the thread's text stands
  }
  return status;
}

template <typename Body>
tutti_status guarded(const tutti_comm* comm, Body body) noexcept {
  try {
    body();
    return TUTTI_OK;
  } catch (const Use::InUse& e) {  // the communicator's text is the other thread's
    return record(nullptr, e.status(), e.what());
  } catch (const Error& e) {
    return record(comm, e.status(), e.what());
  } catch (const std::bad_alloc&) {
    return record(comm, TUTTI_NO_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return record(comm, TUTTI_INTERNAL, e.what());
  } catch (...) {
    return record(comm, TUTTI_INTERNAL, "unknown exception");
  }
}

Communicator& communicator(const tutti_comm* comm) {
  return HandleTable::instance().find(comm).communicator;
}

// The same for calls that change the communicator.
template <typename Body>
tutti_status using_it(const tutti_comm* comm, Body body) noexcept {
  return guarded(comm, [&] {
    Handle& handle = HandleTable::instance().find(comm);
    const Use use(handle);
    body(handle.communicator);
  });
}

[[noreturn]] void invalid(const std::string& text) { throw Error(TUTTI_INVALID, text); }

void require(const void* result, const char* name) {
  if (result == nullptr)
    invalid(std::string(name) + " is NULL: there is nowhere to store the result");
}

// Copies a structure that may be older (shorter) than ours; fields beyond its size keep their
// defaults.
template <typename Struct>
Struct read_struct(const Struct* given, Struct defaults, const char* name) {
  if (given == nullptr) return defaults;
  const std::size_t size = given->struct_size;
  if (size < sizeof(std::size_t) || size > 4096) {
    invalid(std::string(name) + "->struct_size is " + std::to_string(size) +
            ": initialise the structure with its _INIT macro");
  }
  std::memcpy(&defaults, given, size < sizeof(Struct) ? size : sizeof(Struct));
  return defaults;
}

Dtype checked_dtype(tutti_dtype value) {
  const std::optional<Dtype> dtype = dtype_of(value);
  if (!dtype) invalid("unknown dtype " + std::to_string(value));
  return *dtype;
}

std::size_t checked_bytes(std::size_t count, Dtype dtype) {
  if (count > PTRDIFF_MAX) {
    invalid("count is negative or absurd: " + std::to_string(static_cast<std::ptrdiff_t>(count)));
  }
  std::ptrdiff_t bytes = 0;
  if (__builtin_mul_overflow(count, size_of(dtype), &bytes)) {
    invalid("count " + std::to_string(count) + " of " + std::string(name_of(dtype)) +
            " exceeds the address space");
  }
  return static_cast<std::size_t>(bytes);
}

// Peers read registered memory themselves, so what lies past the block's end is refused here.
// A block is a page at least: for less than that no call pays.
void check_block(const Communicator& c, const char* name, const void* buffer, std::size_t bytes) {
  constexpr std::size_t kPage = 4096;
  if (bytes <= kPage) return;
  const auto block = c.registered(buffer);
  if (block && *block < bytes) {
    invalid(std::string(name) + " has " + std::to_string(*block) +
            " bytes up to the end of its tutti_alloc() block; count needs " +
            std::to_string(bytes));
  }
}

// One of a call's buffers, as this rank gives it.
struct Given {
  const char* name;
  const void* data;
  std::size_t bytes;
};

void check_given(const Communicator& c, const Given& buffer) {
  if (buffer.bytes == 0) return;
  if (buffer.data == nullptr) invalid(std::string(buffer.name) + " is NULL");
  check_block(c, buffer.name, buffer.data, buffer.bytes);
}

// How the buffers must lie in a call in place: `input` bytes into the one where the other begins.
struct InPlace {
  bool offered = true;
  std::size_t input = 0;   // of the output in the input
  std::size_t output = 0;  // of the input in the output
  const char* how = "pass the same pointer for an in-place call, or separate buffers";
};

bool is_in_place(const Given& send, const Given& recv, const InPlace& form) {
  const auto s = reinterpret_cast<std::uintptr_t>(send.data);
  const auto r = reinterpret_cast<std::uintptr_t>(recv.data);
  return form.offered && s + form.input == r + form.output;
}

void check_overlap(const Given& send, const Given& recv, const InPlace& form) {
  if (send.bytes == 0 || recv.bytes == 0 || is_in_place(send, recv, form)) return;
  const auto s = reinterpret_cast<std::uintptr_t>(send.data);
  const auto r = reinterpret_cast<std::uintptr_t>(recv.data);
  if (s >= r + recv.bytes || r >= s + send.bytes) return;
  const std::uintptr_t common = std::min(s + send.bytes, r + recv.bytes) - std::max(s, r);
  invalid("send and recv overlap by " + std::to_string(common) + " bytes: " + form.how);
}

void set_options(Call& call, const tutti_options* options) {
  if (options == nullptr) return;
  const tutti_options o = read_struct<tutti_options>(options, TUTTI_OPTIONS_INIT, "options");
  if (o.algorithm != nullptr) call.algorithm = o.algorithm;
  if (o.timeout_ms < -1 || o.timeout_ms == 0) {
    invalid("options->timeout_ms is " + std::to_string(o.timeout_ms) +
            ": give a positive time or -1");
  }
  if (o.timeout_ms > 0)
    call.timeout = std::chrono::milliseconds(std::min(o.timeout_ms, kLongestTimeoutMs));
}

// What a failed check or call is called in its text: "rank 1: all_reduce: count is negative".
template <typename Body>
tutti_status collective_call(Collective collective, tutti_comm* comm, Body body) noexcept {
  return using_it(comm, [&](Communicator& c) {
    try {
      body(c);
    } catch (const Error& e) {
      if (e.status() != TUTTI_INVALID && e.status() != TUTTI_NOT_FOUND) throw;
      throw Error(e.status(), "rank " + std::to_string(c.rank()) + ": " +
                                  std::string(name_of(collective)) + ": " + e.what());
    }
  });
}

// Where the two buffers of a rank meet in place.
InPlace in_place_form(Collective collective, std::size_t block_bytes, int rank) {
  const std::size_t own = static_cast<std::size_t>(rank) * block_bytes;
  switch (collective) {
    case Collective::kReduceScatter:
    case Collective::kScatter:
      return {.input = own, .how = "recv must be send + rank * recv_count, or apart from send"};
    case Collective::kAllGather:
    case Collective::kGather:
      return {.output = own, .how = "send must be recv + rank * send_count, or apart from recv"};
    case Collective::kAllToAll:
      return {.offered = false, .how = "there is no in-place form; give separate buffers"};
    default:
      return {};
  }
}

void check_root(int32_t root, int size) {
  if (root >= 0 && root < size) return;
  invalid("root is " + std::to_string(root) + ", but ranks are 0 … " + std::to_string(size - 1));
}

// A buffer of `blocks` blocks; where it has none the caller's pointer means nothing.
Given given(const char* name, const void* data, int blocks, std::size_t count, Dtype dtype) {
  std::size_t elements = 0;
  if (__builtin_mul_overflow(count, static_cast<std::size_t>(blocks), &elements)) {
    invalid("count " + std::to_string(count) + " for each of " + std::to_string(blocks) +
            " ranks exceeds the address space");
  }
  return {name, blocks == 0 ? nullptr : data, checked_bytes(elements, dtype)};
}

// Any call that has buffers.
tutti_status call(Collective collective, const void* send, void* recv, std::size_t count,
                  tutti_dtype dtype_value, tutti_op op, std::int32_t root, tutti_comm* comm,
                  const tutti_options* options) noexcept {
  return collective_call(collective, comm, [&](Communicator& c) {
    const CollectiveTraits& traits = traits_of(collective);
    if (traits.rooted) check_root(root, c.size());
    const Dtype dtype = checked_dtype(dtype_value);
    const std::size_t block = checked_bytes(count, dtype);
    const Given in =
        given("send", send, traits.input_blocks(c.size(), c.rank(), root), count, dtype);
    const Given out =
        given("recv", recv, traits.output_blocks(c.size(), c.rank(), root), count, dtype);
    check_given(c, out);
    check_given(c, in);
    const InPlace form = in_place_form(collective, block, c.rank());
    check_overlap(in, out, form);
    const bool both = in.data != nullptr && out.data != nullptr;
    Call call{.key = {.collective = collective,
                      .dtype = dtype,
                      .in_place = both && is_in_place(in, out, form),
                      .root = root,
                      .count = count,
                      .op = op},
              .buffers = {static_cast<const std::byte*>(in.data),
                          static_cast<std::byte*>(out.data == nullptr ? nullptr : recv)}};
    set_options(call, options);
    c.run(call);
  });
}

CallKey checked_key(tutti_collective collective, std::size_t count, tutti_dtype dtype,
                    tutti_op op) {
  if (collective < 0 || collective >= kCollectives) {
    invalid("unknown collective " + std::to_string(collective));
  }
  CallKey key{.collective = static_cast<Collective>(collective), .count = count, .op = op};
  const CollectiveTraits& traits = traits_of(key.collective);
  if (traits.output == Extent::kNone) return {.collective = key.collective};
  key.dtype = checked_dtype(dtype);
  checked_bytes(count, key.dtype);
  if (!traits.reduces) key.op = TUTTI_SUM;
  return key;
}

}  // namespace
}  // namespace tutti

using namespace tutti;  // NOLINT: this file is the C side

const char* tutti_status_name(tutti_status status) {
  constexpr const char* kNames[] = {"TUTTI_OK",          "TUTTI_INVALID",     "TUTTI_MISMATCH",
                                    "TUTTI_TIMEOUT",     "TUTTI_PEER_FAILED", "TUTTI_NO_MEMORY",
                                    "TUTTI_UNSUPPORTED", "TUTTI_SYSTEM",      "TUTTI_NOT_FOUND",
                                    "TUTTI_INTERNAL"};
  if (status < 0 || status > TUTTI_INTERNAL) return "unknown status";
  return kNames[status];
}

size_t tutti_dtype_size(tutti_dtype dtype) {
  const std::optional<Dtype> known = dtype_of(dtype);
  return known ? size_of(*known) : 0;
}

tutti_status tutti_version(int32_t* version) {
  return guarded(nullptr, [&] {
    require(version, "version");
    *version = TUTTI_VERSION;
  });
}

tutti_status tutti_start(tutti_comm** comm, const tutti_config* config) {
  return guarded(nullptr, [&] {
    require(comm, "comm");
    const tutti_config given = read_struct<tutti_config>(config, TUTTI_CONFIG_INIT, "config");
    const Environment environment = read_environment();
    const World world = resolve_world(given, environment);
    *comm = HandleTable::instance().add(std::make_unique<Handle>(world, environment));
  });
}

tutti_status tutti_finish(tutti_comm* comm) {
  return guarded(nullptr, [&] {
    if (comm == nullptr) return;
    HandleTable& table = HandleTable::instance();
    std::unique_ptr<Handle> ended;
    const Use use(table.find(comm));
    ended = table.remove(comm);
  });
}

tutti_status tutti_rank(const tutti_comm* comm, int32_t* rank) {
  return guarded(comm, [&] {
    const Communicator& c = communicator(comm);
    require(rank, "rank");
    *rank = c.rank();
  });
}

tutti_status tutti_size(const tutti_comm* comm, int32_t* size) {
  return guarded(comm, [&] {
    const Communicator& c = communicator(comm);
    require(size, "size");
    *size = c.size();
  });
}

const char* tutti_error_text(const tutti_comm* comm) {
  try {
    if (comm != nullptr) return HandleTable::instance().find(comm).error.c_str();
  } catch (...) {  // no such handle: its failures are the thread's
  }
  return thread_error().c_str();
}

tutti_status tutti_alloc(void** pointer, size_t bytes, tutti_comm* comm) {
  return using_it(comm, [&](Communicator& c) {
    require(pointer, "pointer");
    if (bytes > PTRDIFF_MAX)
      invalid("bytes is negative or absurd: " + std::to_string(static_cast<std::ptrdiff_t>(bytes)));
    *pointer = c.allocate(bytes);
  });
}

tutti_status tutti_free(void* pointer, tutti_comm* comm) {
  return using_it(comm, [&](Communicator& c) {
    if (pointer != nullptr) c.deallocate(pointer);
  });
}

tutti_status tutti_op_create_pre_scaled(tutti_op* op, const void* scalar, tutti_dtype dtype,
                                        tutti_comm* comm) {
  return using_it(comm, [&](Communicator& c) {
    require(op, "op");
    if (scalar == nullptr) invalid("scalar is NULL");
    *op = c.create_pre_scaled(scalar, checked_dtype(dtype));
  });
}

tutti_status tutti_op_free(tutti_op op, tutti_comm* comm) {
  return using_it(comm, [&](Communicator& c) { c.free_op(op); });
}

tutti_status tutti_all_reduce(const void* send, void* recv, size_t count, tutti_dtype dtype,
                              tutti_op op, tutti_comm* comm, const tutti_options* options) {
  return call(Collective::kAllReduce, send, recv, count, dtype, op, 0, comm, options);
}

tutti_status tutti_broadcast(const void* send, void* recv, size_t count, tutti_dtype dtype,
                             int32_t root, tutti_comm* comm, const tutti_options* options) {
  return call(Collective::kBroadcast, send, recv, count, dtype, TUTTI_SUM, root, comm, options);
}

tutti_status tutti_reduce(const void* send, void* recv, size_t count, tutti_dtype dtype,
                          tutti_op op, int32_t root, tutti_comm* comm,
                          const tutti_options* options) {
  return call(Collective::kReduce, send, recv, count, dtype, op, root, comm, options);
}

tutti_status tutti_reduce_scatter(const void* send, void* recv, size_t recv_count,
                                  tutti_dtype dtype, tutti_op op, tutti_comm* comm,
                                  const tutti_options* options) {
  return call(Collective::kReduceScatter, send, recv, recv_count, dtype, op, 0, comm, options);
}

tutti_status tutti_all_gather(const void* send, void* recv, size_t send_count, tutti_dtype dtype,
                              tutti_comm* comm, const tutti_options* options) {
  return call(Collective::kAllGather, send, recv, send_count, dtype, TUTTI_SUM, 0, comm, options);
}

tutti_status tutti_gather(const void* send, void* recv, size_t send_count, tutti_dtype dtype,
                          int32_t root, tutti_comm* comm, const tutti_options* options) {
  return call(Collective::kGather, send, recv, send_count, dtype, TUTTI_SUM, root, comm, options);
}

tutti_status tutti_scatter(const void* send, void* recv, size_t recv_count, tutti_dtype dtype,
                           int32_t root, tutti_comm* comm, const tutti_options* options) {
  return call(Collective::kScatter, send, recv, recv_count, dtype, TUTTI_SUM, root, comm, options);
}

tutti_status tutti_all_to_all(const void* send, void* recv, size_t count, tutti_dtype dtype,
                              tutti_comm* comm, const tutti_options* options) {
  return call(Collective::kAllToAll, send, recv, count, dtype, TUTTI_SUM, 0, comm, options);
}

tutti_status tutti_barrier(tutti_comm* comm, const tutti_options* options) {
  return collective_call(Collective::kBarrier, comm, [&](Communicator& c) {
    Call call{.key = {.collective = Collective::kBarrier, .in_place = true}};
    set_options(call, options);
    c.run(call);
  });
}

tutti_status tutti_candidate(tutti_collective collective, size_t count, tutti_dtype dtype,
                             tutti_op op, tutti_comm* comm, size_t index,
                             tutti_candidate_info* info) {
  return using_it(comm, [&](Communicator& c) {
    require(info, "info");
    const tutti_candidate_info old =
        read_struct<tutti_candidate_info>(info, TUTTI_CANDIDATE_INFO_INIT, "info");
    const CallKey key = checked_key(collective, count, dtype, op);
    const auto found = c.candidate(key, index);
    if (!found) throw Error(TUTTI_NOT_FOUND, "no candidate " + std::to_string(index));
    const tutti_candidate_info filled{old.struct_size, found->name, found->seconds,
                                      found->chosen ? 1 : 0};
    std::memcpy(info, &filled, old.struct_size < sizeof filled ? old.struct_size : sizeof filled);
  });
}

// The door of the C API, what all its rooms share: nothing throws across it, texts of failures are
// kept, arguments are checked before anything is done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include "collectives/handles.h"
#include "kernels/dtype.h"
#include "kernels/error.h"
#include "tutti/tutti.h"

namespace tutti {

/// Keeps a failure's text for tutti_error_text(): the calling thread's, and that of the
/// communicator if there is a usable one.
tutti_status record_failure(const tutti_comm* comm, tutti_status status, const char* text) noexcept;
/// What tutti_error_text(NULL) returns.
const std::string& thread_failure();

template <typename Body>
tutti_status guarded(const tutti_comm* comm, Body body) noexcept {
  try {
    body();
    return TUTTI_OK;
  } catch (const Use::InUse& e) {  // the communicator's text is the other thread's
    return record_failure(nullptr, e.status(), e.what());
  } catch (const Error& e) {
    return record_failure(comm, e.status(), e.what());
  } catch (const std::bad_alloc&) {
    return record_failure(comm, TUTTI_NO_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return record_failure(comm, TUTTI_INTERNAL, e.what());
  } catch (...) {
    return record_failure(comm, TUTTI_INTERNAL, "unknown exception");
  }
}

inline Communicator& communicator(const tutti_comm* comm) {
  return *HandleTable::instance().find(comm).communicator;
}

// The same for calls that change the communicator.
template <typename Body>
tutti_status using_it(const tutti_comm* comm, Body body) noexcept {
  return guarded(comm, [&] {
    Handle& handle = HandleTable::instance().find(comm);
    const Use use(handle);
    body(*handle.communicator);
  });
}

/// Calls `body`, whose refusals name the call: "rank 1: all_reduce: count is negative".
template <typename Name, typename Body>
void named(Name name, Communicator& c, Body body) {
  try {
    body(c);
  } catch (const Error& e) {
    if (e.status() != TUTTI_INVALID && e.status() != TUTTI_NOT_FOUND) throw;
    throw Error(e.status(), "rank " + std::to_string(c.world_rank()) + ": " + std::string(name) +
                                ": " + e.what());
  }
}

/// using_it() and named().
template <typename Body>
tutti_status named_call(std::string_view name, tutti_comm* comm, Body body) noexcept {
  return using_it(comm, [&](Communicator& c) { named(name, c, body); });
}

[[noreturn]] void invalid(const std::string& text);

/// Frees a communicator that no call is in flight on. Throws a mismatch that this rank had not
/// heard of; the communicator is gone all the same.
void end_communicator(tutti_comm* comm);

/// Refuses a NULL where a result is to be stored.
void require(const void* result, const char* name);

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

[[noreturn]] void refuse_dtype(tutti_dtype value);
inline Dtype checked_dtype(tutti_dtype value) {
  const std::optional<Dtype> dtype = dtype_of(value);
  if (!dtype) refuse_dtype(value);
  return *dtype;
}

[[noreturn]] void refuse_count(std::size_t count, Dtype dtype);
/// Bytes of `count` elements. Throws if they exceed the address space.
inline std::size_t checked_bytes(std::size_t count, Dtype dtype) {
  std::ptrdiff_t bytes = 0;
  if (count > PTRDIFF_MAX || __builtin_mul_overflow(count, size_of(dtype), &bytes))
    refuse_count(count, dtype);
  return static_cast<std::size_t>(bytes);
}

}  // namespace tutti

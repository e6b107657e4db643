// Worlds and their memory.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "collectives/c_api/door.h"
#include "transport/bootstrap/environment.h"
#include "transport/bootstrap/world.h"

using namespace tutti;  // NOLINT: this file is the C side

const char* tutti_status_name(tutti_status status) {
  constexpr const char* kNames[] = {"TUTTI_OK",          "TUTTI_INVALID",     "TUTTI_MISMATCH",
                                    "TUTTI_TIMEOUT",     "TUTTI_PEER_FAILED", "TUTTI_NO_MEMORY",
                                    "TUTTI_UNSUPPORTED", "TUTTI_SYSTEM",      "TUTTI_NOT_FOUND",
                                    "TUTTI_INTERNAL",    "TUTTI_OP_FAILED"};
  if (status < 0 || status > TUTTI_OP_FAILED) return "unknown status";
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
    const Communicator& c = communicator(comm);
    if (c.is_child()) invalid("tutti_comm_free() ends a communicator that was made from another");
    if (c.relatives() > 1)
      invalid(std::to_string(c.relatives() - 1) +
              " communicators that were made from this one are in use: free them first");
    end_communicator(comm);
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
  return thread_failure().c_str();
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

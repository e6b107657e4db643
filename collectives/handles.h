// Handles that stay safe when misused: a tutti_comm pointer is a number (slot and generation),
// never an address, so a stale, foreign or garbage handle is recognised without touching memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "collectives/communicator.h"

struct tutti_comm;

namespace tutti {

/// What a handle stands for.
struct Handle {
  Handle(const World& world, const Environment& environment) : communicator(world, environment) {}

  Communicator communicator;
  std::string error = "no error";
  std::atomic<bool> in_use = false;  // a thread is in a call that changes it
};

/// Holds a handle for one call. Throws InUse where another thread is in one: forbidden, and noticed
/// unless the two come at the same moment. Costs a load and two stores.
class Use {
 public:
  struct InUse : Error {
    using Error::Error;
  };

  explicit Use(Handle& handle) : flag_(handle.in_use) {
    if (flag_.load(std::memory_order_relaxed)) refuse();
    flag_.store(true, std::memory_order_relaxed);
  }
  ~Use() { flag_.store(false, std::memory_order_relaxed); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  [[noreturn]] static void refuse();
  std::atomic<bool>& flag_;
};

/// The handles of this process. Looked up without a lock. The table lies in memory that a fork
/// wipes: in a child no handle of the parent is valid.
class HandleTable {
 public:
  /// The one of this process.
  static HandleTable& instance();

  tutti_comm* add(std::unique_ptr<Handle> handle);
  /// Throws TUTTI_INVALID, saying whether it is NULL, finished, from before a fork, or never valid.
  Handle& find(const tutti_comm* comm) const;
  /// Takes it out of the table; throws as find().
  std::unique_ptr<Handle> remove(tutti_comm* comm);

 private:
  struct Slot {
    // Odd: in use. Stored last (release), read first (acquire).
    std::atomic<std::uint64_t> generation;
    Handle* handle;
  };
  static constexpr std::uint64_t kSlots = 1 << 16;

  HandleTable();
  [[noreturn]] void refuse(const tutti_comm* comm) const;

  Slot* const slots_;  // kSlots, zero at first; never unmapped
  const int owner_pid_;
  mutable std::mutex mutex_;
  std::uint64_t next_ = 0;  // guarded by mutex_
};

}  // namespace tutti

// Handles that stay safe when misused: a tutti_comm or tutti_request pointer is a number (slot and
// generation), never an address, so a stale, foreign or garbage handle is recognised without
// touching memory.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "collectives/communicator.h"
#include "collectives/op_function.h"

struct tutti_comm;
struct tutti_request;

namespace tutti {

template <typename T>
std::uint64_t number_of(const T* handle) {
  return std::bit_cast<std::uintptr_t>(handle);
}

/// Objects of this process by number. Looked up without a lock. The table lies in memory that a
/// fork wipes: in a child no number of the parent is valid.
class NumberTable {
 public:
  NumberTable();

  /// Throws TUTTI_NO_MEMORY if 65536 are in use.
  std::uint64_t add(void* object, const char* what);
  /// Null if it is none.
  void* find(std::uint64_t number) const {
    const Slot& slot = slot_of(number);
    const std::uint64_t generation = generation_of(number);
    const bool valid = number % 2 == 1 && generation % 2 == 1 &&
                       slot.generation.load(std::memory_order_acquire) == generation;
    return valid ? slot.object : nullptr;
  }
  /// Takes it out of the table.
  void remove(std::uint64_t number);
  /// Whether it was valid once.
  bool ended(std::uint64_t number) const;
  /// Whether this is another process than the one that made the table.
  bool forked() const;

  /// Visits (number, object) of all that are in it.
  template <typename Visit>
  void for_each(Visit visit) const {
    const std::lock_guard lock(mutex_);
    for (std::uint64_t index = 0; index < kSlots && index < made_; ++index) {
      const std::uint64_t generation = slots_[index].generation.load(std::memory_order_acquire);
      if (generation % 2 == 1) visit(number(index, generation), slots_[index].object);
    }
  }

 private:
  struct Slot {
    // Odd: in use. Stored last (release), read first (acquire).
    std::atomic<std::uint64_t> generation;
    void* object;
  };
  static constexpr std::uint64_t kSlotBits = 16;
  static constexpr std::uint64_t kSlots = 1 << kSlotBits;

  static std::uint64_t number(std::uint64_t index, std::uint64_t generation);
  const Slot& slot_of(std::uint64_t number) const { return slots_[(number >> 1) % kSlots]; }
  static std::uint64_t generation_of(std::uint64_t number) { return number >> (kSlotBits + 1); }

  Slot* const slots_;  // kSlots, zero at first; never unmapped
  const int owner_pid_;
  mutable std::mutex mutex_;
  std::uint64_t made_ = 0;  // so far; guarded by mutex_
};

/// What a tutti_comm stands for.
struct Handle {
  Handle(const World& world, const Environment& environment)
      : communicator(std::make_unique<Communicator>(world, environment)) {}
  explicit Handle(std::unique_ptr<Communicator> child) : communicator(std::move(child)) {}

  const std::unique_ptr<Communicator> communicator;
  std::string error = "no error";
  std::atomic<bool> in_use = false;  // a thread is in a call that changes it
};

/// Holds a handle for one call. Throws InUse where another thread is in one: forbidden, and noticed
/// unless the two come at the same moment; and from within an op's function. If one has left this
/// thread's last call by longjmp(), ends that call first. Costs two loads and three stores.
class Use {
 public:
  struct InUse : Error {
    using Error::Error;
  };

  explicit Use(Handle& handle) : flag_(handle.in_use) {
    if (thread_state.call != nullptr && within_function()) refuse_within_function();
    if (flag_.load(std::memory_order_relaxed)) refuse();
    flag_.store(true, std::memory_order_relaxed);
    thread_state.in_use = &flag_;
  }
  ~Use() { flag_.store(false, std::memory_order_relaxed); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  [[noreturn]] static void refuse();
  [[noreturn]] static void refuse_within_function();
  std::atomic<bool>& flag_;
};

class HandleTable {
 public:
  /// The one of this process.
  static HandleTable& instance() {
    static HandleTable table;
    return table;
  }

  tutti_comm* add(std::unique_ptr<Handle> handle);
  /// Throws TUTTI_INVALID, saying whether it is NULL, finished, from before a fork, or never valid.
  Handle& find(const tutti_comm* comm) const {
    void* const handle = table_.find(number_of(comm));
    if (handle == nullptr) refuse(comm);
    return *static_cast<Handle*>(handle);
  }
  /// Takes it out of the table; throws as find().
  std::unique_ptr<Handle> remove(tutti_comm* comm);

 private:
  [[noreturn]] void refuse(const tutti_comm* comm) const;
  NumberTable table_;
};

/// What a tutti_request stands for. Ends before its communicator does.
struct RequestHandle {
  tutti_comm* comm = nullptr;
  Handle* of = nullptr;  // comm's
  std::unique_ptr<Request> request;
  bool persistent = false;
  bool started = false;
};

class RequestTable {
 public:
  static RequestTable& instance() {
    static RequestTable table;
    return table;
  }

  tutti_request* add(std::unique_ptr<RequestHandle> handle);
  /// Throws as HandleTable::find().
  RequestHandle& find(const tutti_request* request) const {
    void* const handle = table_.find(number_of(request));
    if (handle == nullptr) refuse(request);
    return *static_cast<RequestHandle*>(handle);
  }
  void remove(tutti_request* request);
  /// Those of a communicator that have been started and not waited for.
  std::size_t started(const tutti_comm* comm) const;
  /// Removes those of a communicator that ends.
  void remove_all(const tutti_comm* comm);

 private:
  [[noreturn]] void refuse(const tutti_request* request) const;
  NumberTable table_;
};

}  // namespace tutti

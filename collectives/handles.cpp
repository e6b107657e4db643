#include "collectives/handles.h"

#include <sys/mman.h>
#include <unistd.h>

#include <bit>

namespace tutti {
namespace {

// A handle is generation · kSlots · 2 + slot · 2 + 1: odd, so never a real, aligned pointer.
constexpr std::uint64_t kSlotBits = 16;

std::uint64_t number_of(const tutti_comm* comm) { return std::bit_cast<std::uintptr_t>(comm); }

void* map_wiped_on_fork(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw Error(TUTTI_NO_MEMORY, "no memory for the table of handles");
  madvise(memory, bytes, MADV_WIPEONFORK);  // best effort: kernels before 4.14 lack it
  return memory;
}

}  // namespace

void Use::refuse() {
  throw InUse(TUTTI_INVALID,
              "another thread is in a call of this communicator: one at a time may use it");
}

HandleTable& HandleTable::instance() {
  static HandleTable table;
  return table;
}

HandleTable::HandleTable()
    : slots_(static_cast<Slot*>(map_wiped_on_fork(kSlots * sizeof(Slot)))), owner_pid_(getpid()) {}

tutti_comm* HandleTable::add(std::unique_ptr<Handle> handle) {
  const std::lock_guard lock(mutex_);
  for (std::uint64_t tried = 0; tried < kSlots; ++tried) {
    const std::uint64_t index = next_++ % kSlots;
    Slot& slot = slots_[index];
    const std::uint64_t generation = slot.generation.load(std::memory_order_relaxed);
    if (generation % 2 == 1) continue;
    slot.handle = handle.release();
    slot.generation.store(generation + 1, std::memory_order_release);  // pairs with find()
    const std::uint64_t number = (generation + 1) << (kSlotBits + 1) | index << 1 | 1;
    return std::bit_cast<tutti_comm*>(static_cast<std::uintptr_t>(number));
  }
  throw Error(TUTTI_NO_MEMORY, "65536 communicators are in use in this process");
}

Handle& HandleTable::find(const tutti_comm* comm) const {
  const std::uint64_t number = number_of(comm);
  const Slot& slot = slots_[(number >> 1) % kSlots];
  const std::uint64_t generation = number >> (kSlotBits + 1);
  if (number % 2 == 0 || generation % 2 == 0 ||
      slot.generation.load(std::memory_order_acquire) != generation) {
    refuse(comm);
  }
  return *slot.handle;
}

std::unique_ptr<Handle> HandleTable::remove(tutti_comm* comm) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Handle> handle(&find(comm));
  Slot& slot = slots_[(number_of(comm) >> 1) % kSlots];
  slot.handle = nullptr;
  slot.generation.fetch_add(1, std::memory_order_release);
  return handle;
}

void HandleTable::refuse(const tutti_comm* comm) const {
  if (comm == nullptr) throw Error(TUTTI_INVALID, "the communicator is NULL");
  const std::uint64_t number = number_of(comm);
  const Slot& slot = slots_[(number >> 1) % kSlots];
  const std::uint64_t generation = number >> (kSlotBits + 1);
  const bool was_valid = number % 2 == 1 && generation % 2 == 1 &&
                         generation < slot.generation.load(std::memory_order_acquire);
  if (was_valid) throw Error(TUTTI_INVALID, "the communicator is finished");
  if (getpid() != owner_pid_) {
    throw Error(TUTTI_INVALID,
                "the communicator belongs to the parent process: after a fork the child must call "
                "tutti_start() itself");
  }
  throw Error(TUTTI_INVALID, "the communicator is not one that tutti_start() gave");
}

}  // namespace tutti

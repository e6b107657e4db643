#include "collectives/handles.h"

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <vector>

namespace tutti {
namespace {

template <typename T>
T* handle_of(std::uint64_t number) {
  return std::bit_cast<T*>(static_cast<std::uintptr_t>(number));
}

void* map_wiped_on_fork(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw Error(TUTTI_NO_MEMORY, "no memory for the table of handles");
  madvise(memory, bytes, MADV_WIPEONFORK);  // best effort: kernels before 4.14 lack it
  return memory;
}

}  // namespace

NumberTable::NumberTable()
    : slots_(static_cast<Slot*>(map_wiped_on_fork(kSlots * sizeof(Slot)))), owner_pid_(getpid()) {}

// Odd: so never a real, aligned pointer.
std::uint64_t NumberTable::number(std::uint64_t index, std::uint64_t generation) {
  return generation << (kSlotBits + 1) | index << 1 | 1;
}

std::uint64_t NumberTable::add(void* object, const char* what) {
  const std::lock_guard lock(mutex_);
  for (std::uint64_t tried = 0; tried < kSlots; ++tried) {
    const std::uint64_t index = made_++ % kSlots;
    Slot& slot = slots_[index];
    const std::uint64_t generation = slot.generation.load(std::memory_order_relaxed);
    if (generation % 2 == 1) continue;
    slot.object = object;
    slot.generation.store(generation + 1, std::memory_order_release);  // pairs with find()
    return number(index, generation + 1);
  }
  throw Error(TUTTI_NO_MEMORY, std::string("65536 ") + what + " are in use in this process");
}

void NumberTable::remove(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[(number >> 1) % kSlots];
  slot.object = nullptr;
  slot.generation.fetch_add(1, std::memory_order_release);
}

bool NumberTable::ended(std::uint64_t number) const {
  const std::uint64_t generation = generation_of(number);
  return number % 2 == 1 && generation % 2 == 1 &&
         generation < slot_of(number).generation.load(std::memory_order_acquire);
}

bool NumberTable::forked() const { return getpid() != owner_pid_; }

void Use::refuse() {
  throw InUse(TUTTI_INVALID,
              "another thread is in a call of this communicator: one at a time may use it");
}

void Use::refuse_within_function() {
  throw InUse(TUTTI_INVALID, "an op's function called Tutti: it must not");
}

tutti_comm* HandleTable::add(std::unique_ptr<Handle> handle) {
  auto* const comm = handle_of<tutti_comm>(table_.add(handle.get(), "communicators"));
  static_cast<void>(handle.release());
  return comm;
}

std::unique_ptr<Handle> HandleTable::remove(tutti_comm* comm) {
  std::unique_ptr<Handle> handle(&find(comm));
  table_.remove(number_of(comm));
  return handle;
}

void HandleTable::refuse(const tutti_comm* comm) const {
  if (comm == nullptr) throw Error(TUTTI_INVALID, "the communicator is NULL");
  if (table_.ended(number_of(comm))) throw Error(TUTTI_INVALID, "the communicator is finished");
  if (table_.forked()) {
    throw Error(TUTTI_INVALID,
                "the communicator belongs to the parent process: after a fork the child must call "
                "tutti_start() itself");
  }
  throw Error(TUTTI_INVALID, "the communicator is not one that tutti_start() gave");
}

tutti_request* RequestTable::add(std::unique_ptr<RequestHandle> handle) {
  auto* const request = handle_of<tutti_request>(table_.add(handle.get(), "requests"));
  static_cast<void>(handle.release());
  return request;
}

void RequestTable::refuse(const tutti_request* request) const {
  if (request == nullptr) throw Error(TUTTI_INVALID, "the request is NULL");
  if (table_.ended(number_of(request)))
    throw Error(TUTTI_INVALID, "the request is gone: it was complete and waited for, or freed");
  throw Error(TUTTI_INVALID, table_.forked() ? "the request belongs to the parent process"
                                             : "the request is not one that a call gave");
}

void RequestTable::remove(tutti_request* request) {
  const std::unique_ptr<RequestHandle> handle(&find(request));
  table_.remove(number_of(request));
}

std::size_t RequestTable::started(const tutti_comm* comm) const {
  std::size_t count = 0;
  table_.for_each([&](std::uint64_t, void* object) {
    const auto& handle = *static_cast<const RequestHandle*>(object);
    count += handle.comm == comm && handle.started ? 1 : 0;
  });
  return count;
}

void RequestTable::remove_all(const tutti_comm* comm) {
  std::vector<tutti_request*> its;
  table_.for_each([&](std::uint64_t number, void* object) {
    if (static_cast<RequestHandle*>(object)->comm == comm)
      its.push_back(handle_of<tutti_request>(number));
  });
  for (tutti_request* request : its) remove(request);
}

}  // namespace tutti

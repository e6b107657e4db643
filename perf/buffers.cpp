#include "perf/buffers.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace tutti {

void require(tutti_status status, const tutti_comm* comm) {
  if (status == TUTTI_OK) return;
  throw std::runtime_error(
      fmt::format("{} ({})", tutti_error_text(comm), tutti_status_name(status)));
}

OwnedBuffer registered_buffer(std::size_t bytes, tutti_comm* comm) {
  void* memory = nullptr;
  require(tutti_alloc(&memory, bytes, comm), comm);
  return {static_cast<std::byte*>(memory), [comm](std::byte* old) { tutti_free(old, comm); }};
}

OwnedBuffer pageable_buffer(std::size_t bytes) {
  const std::size_t length = std::max<std::size_t>(bytes, 1);
  void* memory = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(),
                            fmt::format("no memory for an array of {} bytes", bytes));
  madvise(memory, length, MADV_NOHUGEPAGE);
  return {static_cast<std::byte*>(memory), [length](std::byte* old) { munmap(old, length); }};
}

}  // namespace tutti

#include "transport/shm/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "kernels/error.h"
#include "transport/system_error.h"

namespace tutti {

UniqueFd make_memory_file(const char* name, std::size_t bytes) {
  UniqueFd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw system_error("creating a shared memory file", errno);
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
    throw Error(
        TUTTI_NO_MEMORY,
        errno_text("sizing a shared memory file to " + std::to_string(bytes) + " bytes", errno));
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
    throw Error(TUTTI_SYSTEM, errno_text("sealing a shared memory file", errno));
  return fd;
}

std::size_t file_bytes(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || status.st_size < 0)
    throw Error(TUTTI_SYSTEM, errno_text("asking for the size of a shared memory file", errno));
  return static_cast<std::size_t>(status.st_size);
}

Mapping::Mapping(int fd, std::size_t offset, std::size_t bytes, Access access) : bytes_(bytes) {
  const int protection = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  void* const at =
      mmap(nullptr, bytes, protection, MAP_SHARED | MAP_NORESERVE, fd, static_cast<off_t>(offset));
  if (at == MAP_FAILED)
    throw Error(TUTTI_NO_MEMORY,
                errno_text("mapping " + std::to_string(bytes) + " bytes of shared memory", errno));
  data_ = static_cast<std::byte*>(at);
}

Mapping Mapping::private_memory(std::size_t bytes) {
  void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED)
    throw Error(TUTTI_NO_MEMORY, errno_text("mapping " + std::to_string(bytes) + " bytes", errno));
  Mapping mapping;
  mapping.data_ = static_cast<std::byte*>(at);
  mapping.bytes_ = bytes;
  return mapping;
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace tutti

#include "transport/shm/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <utility>

#include "kernels/error.h"
#include "transport/system_error.h"

namespace tutti {

namespace {

/// While it lives, growing a file past RLIMIT_FSIZE is an error and no signal.
class WithoutSizeSignal {
 public:
  WithoutSizeSignal() {
    sigset_t pending;
    sigemptyset(&signal_);
    sigaddset(&signal_, SIGXFSZ);
    pending_before_ = sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
    pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~WithoutSizeSignal() {
    constexpr timespec kNoTime{};
    if (!pending_before_) sigtimedwait(&signal_, nullptr, &kNoTime);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  WithoutSizeSignal(const WithoutSizeSignal&) = delete;
  WithoutSizeSignal& operator=(const WithoutSizeSignal&) = delete;

 private:
  sigset_t signal_, before_;
  bool pending_before_ = false;
};

/// 0 or errno.
int resize(int fd, std::size_t bytes) {
  const WithoutSizeSignal error;
  return ftruncate(fd, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
}

UniqueFd make_file(const char* name, std::size_t bytes) {
  UniqueFd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw system_error("creating a shared memory file", errno);
  if (const int cause = resize(fd.get(), bytes); cause != 0)
    throw Error(
        TUTTI_NO_MEMORY,
        errno_text("sizing a shared memory file to " + std::to_string(bytes) + " bytes", cause));
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
    throw Error(TUTTI_SYSTEM, errno_text("sealing a shared memory file", errno));
  return fd;
}

}  // namespace

MemoryFile::MemoryFile(UniqueFd fd) : fd_(std::move(fd)) {
  struct stat status {};
  if (fstat(fd_.get(), &status) != 0)
    throw Error(TUTTI_SYSTEM, errno_text("looking at a shared memory file", errno));
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

MemoryFile::MemoryFile(const char* name, std::size_t bytes) : MemoryFile(make_file(name, bytes)) {}

MemoryFile::~MemoryFile() {
  if (fd_ && !intact()) fd_.release();
}

bool MemoryFile::intact() const {
  struct stat status {};
  return fstat(fd_.get(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_;
}

int MemoryFile::fd() const {
  if (!intact())
    throw Error(TUTTI_SYSTEM, "the program has closed descriptor " + std::to_string(fd_.get()) +
                                  ", which is Tutti's shared memory");
  return fd_.get();
}

std::size_t MemoryFile::bytes() const {
  struct stat status {};
  if (fstat(fd(), &status) != 0 || status.st_size < 0)
    throw Error(TUTTI_SYSTEM, errno_text("asking for the size of a shared memory file", errno));
  return static_cast<std::size_t>(status.st_size);
}

int MemoryFile::grow(std::size_t bytes) { return bytes > this->bytes() ? resize(fd(), bytes) : 0; }

int MemoryFile::provide(std::size_t offset, std::size_t bytes) {
  if (const int cause = grow(offset + bytes); cause != 0) return cause;
  const int file = fd();
  int cause = EINTR;
  while (cause == EINTR) {
    const WithoutSizeSignal error;
    cause =
        fallocate(file, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes)) == 0 ? 0 : errno;
  }
  return cause;
}

bool MemoryFile::drop(std::size_t offset, std::size_t bytes) {
  return intact() && fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               static_cast<off_t>(offset), static_cast<off_t>(bytes)) == 0;
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

// Files without a name that ranks share, and mappings of them.
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "transport/unique_fd.h"

namespace tutti {

/// A memfd. The program that Tutti is linked into may close descriptors that it does not know, and
/// the number may then be another file's: that one is neither written nor closed.
class MemoryFile {
 public:
  MemoryFile() = default;
  /// One that a peer has made. Throws TUTTI_SYSTEM.
  explicit MemoryFile(UniqueFd fd);
  /// Of `bytes` zeros. It can grow but not shrink, so that no peer meets SIGBUS. Throws
  /// TUTTI_NO_MEMORY or TUTTI_SYSTEM.
  MemoryFile(const char* name, std::size_t bytes);
  MemoryFile(MemoryFile&&) noexcept = default;
  MemoryFile& operator=(MemoryFile&&) noexcept = default;
  ~MemoryFile();

  /// Throws TUTTI_SYSTEM where it was closed.
  int fd() const;
  /// The size that the kernel reports. Throws as fd().
  std::size_t bytes() const;

  /// Makes sure that there is memory for bytes offset … offset+bytes-1, growing the file if need
  /// be. Returns 0 or what errno says. Throws as fd().
  int provide(std::size_t offset, std::size_t bytes);
  /// Makes the file at least that long, without taking memory. Returns and throws as provide().
  int grow(std::size_t bytes);
  /// Gives the memory of whole pages back, which read as zeros then. False: it is kept as it is.
  bool drop(std::size_t offset, std::size_t bytes);

 private:
  bool intact() const;

  UniqueFd fd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

/// An owned shared mapping.
class Mapping {
 public:
  enum class Access { kRead, kReadWrite };

  Mapping() = default;
  /// Maps `bytes` of `fd` from `offset` (a multiple of the page), perhaps past the file's end.
  /// Throws TUTTI_NO_MEMORY.
  Mapping(int fd, std::size_t offset, std::size_t bytes, Access access);
  /// Memory of this process alone, zeroed, allocated when touched.
  static Mapping private_memory(std::size_t bytes);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace tutti

// Files without a name that ranks share, and mappings of them.
#pragma once

#include <cstddef>
#include <string>

#include "transport/unique_fd.h"

namespace tutti {

/// A memfd of `bytes` zeros that can grow but not shrink, so that no peer meets SIGBUS. Throws
/// TUTTI_NO_MEMORY or TUTTI_SYSTEM.
UniqueFd make_memory_file(const char* name, std::size_t bytes);

/// The size that the kernel reports. Throws TUTTI_SYSTEM.
std::size_t file_bytes(int fd);

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

// Memory whose surroundings are watched.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "tutti/tutti.h"

namespace tutti::test {

/// `bytes` between two guards, in ordinary memory or, with a communicator, in registered memory.
class Buffer {
 public:
  /// They begin `shift` bytes after a multiple of 64.
  Buffer(std::size_t bytes, std::size_t shift, tutti_comm* registered_on);

  std::byte* data() const { return memory_.get() + before_; }

  /// Sets what it begins with, once: `content` at `offset`.
  void lay_out(std::span<const std::byte> content, std::size_t offset);
  /// Goes back to what it began with.
  void rewind();

  /// What must be there after a call; it begins as what was laid out.
  std::byte* image() { return image_.data() + before_; }
  /// The offset from data() of the first byte that differs from the image; bytes in guards have
  /// offsets below 0 or past the end. no_difference() if there is none.
  std::ptrdiff_t first_difference() const;
  std::ptrdiff_t no_difference() const { return static_cast<std::ptrdiff_t>(image_.size()); }

 private:
  struct Release {
    tutti_comm* comm;
    void operator()(std::byte* memory) const;
  };

  const std::size_t before_;  // the first guard and the shift
  std::vector<std::byte> start_, image_;
  std::unique_ptr<std::byte, Release> memory_;
};

}  // namespace tutti::test

#include "tests/mpi_comparison/buffer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

namespace tutti::test {
namespace {

constexpr std::size_t kGuardBytes = 64;
constexpr std::byte kNobodys{0xA5};  // what is there before anybody writes

std::byte* allocate(std::size_t bytes, tutti_comm* registered_on) {
  void* memory = nullptr;
  if (registered_on == nullptr) {
    memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (memory == nullptr) throw std::bad_alloc();
  } else if (tutti_alloc(&memory, bytes, registered_on) != TUTTI_OK) {
    throw std::runtime_error(tutti_error_text(registered_on));
  }
  return static_cast<std::byte*>(memory);
}

}  // namespace

void Buffer::Release::operator()(std::byte* memory) const {
  if (comm == nullptr) {
    std::free(memory);
  } else {
    tutti_free(memory, comm);
  }
}

Buffer::Buffer(std::size_t bytes, std::size_t shift, tutti_comm* registered_on)
    : before_(kGuardBytes + shift),
      start_(before_ + bytes + kGuardBytes, kNobodys),
      memory_(allocate(start_.size(), registered_on), Release{registered_on}) {}

void Buffer::lay_out(std::span<const std::byte> content, std::size_t offset) {
  std::copy(content.begin(), content.end(),
            start_.begin() + static_cast<std::ptrdiff_t>(before_ + offset));
  image_ = start_;
  rewind();
}

void Buffer::rewind() { std::memcpy(memory_.get(), start_.data(), start_.size()); }

std::ptrdiff_t Buffer::first_difference() const {
  if (std::memcmp(memory_.get(), image_.data(), image_.size()) == 0) return no_difference();
  const auto [mine, other] = std::mismatch(image_.begin(), image_.end(), memory_.get());
  return mine - image_.begin() - static_cast<std::ptrdiff_t>(before_);
}

}  // namespace tutti::test

#include "transport/shm/extents.h"

#include <iterator>

#include "transport/shm/layout.h"

namespace tutti {

Extents::Extents(std::size_t capacity) {
  if (capacity > 0) free_.emplace(0, capacity);
}

std::optional<std::size_t> Extents::take(std::size_t bytes, std::size_t alignment) {
  if (bytes == 0) bytes = 1;
  if (bytes > static_cast<std::size_t>(-1) - kPageBytes) return std::nullopt;
  bytes = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    const auto [begin, length] = *it;
    const std::size_t skipped = (alignment - begin % alignment) % alignment;
    if (skipped > length || length - skipped < bytes) continue;
    free_.erase(it);
    if (skipped > 0) free_.emplace(begin, skipped);
    if (length > skipped + bytes) free_.emplace(begin + skipped + bytes, length - skipped - bytes);
    used_.emplace(begin + skipped, bytes);
    return begin + skipped;
  }
  return std::nullopt;
}

std::optional<std::size_t> Extents::give(std::size_t offset) {
  const auto used = used_.find(offset);
  if (used == used_.end()) return std::nullopt;
  const std::size_t bytes = used->second;
  used_.erase(used);
  auto it = free_.emplace(offset, bytes).first;
  if (const auto next = std::next(it); next != free_.end() && next->first == offset + bytes) {
    it->second += next->second;
    free_.erase(next);
  }
  if (it != free_.begin()) {
    if (const auto before = std::prev(it); before->first + before->second == offset) {
      before->second += it->second;
      free_.erase(it);
    }
  }
  return bytes;
}

std::size_t Extents::rest(std::size_t offset) const {
  auto after = used_.upper_bound(offset);
  if (after == used_.begin()) return 0;
  const auto& [begin, bytes] = *--after;
  return offset - begin < bytes ? begin + bytes - offset : 0;
}

}  // namespace tutti

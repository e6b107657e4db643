// Which parts of an arena are in use: first fit, in pages.
#pragma once

#include <cstddef>
#include <map>
#include <optional>

namespace tutti {

class Extents {
 public:
  /// All of 0 … capacity-1 is free; `capacity` is a multiple of the page.
  explicit Extents(std::size_t capacity);

  /// The offset of a free extent of `bytes` (at least a page, rounded up to pages), a multiple of
  /// `alignment`; none if there is none.
  std::optional<std::size_t> take(std::size_t bytes, std::size_t alignment);

  /// The bytes of the extent that begins at `offset`, which is free now; none if none in use begins
  /// there.
  std::optional<std::size_t> give(std::size_t offset);

  /// What is left from `offset` of the extent in use that it lies in; 0 if it lies in none.
  std::size_t rest(std::size_t offset) const;

 private:
  // Offset → bytes.
  std::map<std::size_t, std::size_t> free_;  // neighbours are merged
  std::map<std::size_t, std::size_t> used_;
};

}  // namespace tutti

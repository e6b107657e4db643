// The memory file of a rank: as its owner writes it, and as a peer reads it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "transport/shm/extents.h"
#include "transport/shm/layout.h"
#include "transport/shm/memory_file.h"

namespace tutti {

/// The owner's side. Any thread.
class OwnSegment {
 public:
  /// Throws TUTTI_NO_MEMORY, TUTTI_SYSTEM.
  OwnSegment(int rank, int size);

  int fd() const { return file_.fd(); }
  std::size_t file_bytes() const { return file_.bytes(); }
  const std::byte* base() const { return memory_.data(); }
  SegmentHeader& header() { return *reinterpret_cast<SegmentHeader*>(memory_.data()); }
  /// Where the world's channels begin.
  std::byte* channels() const { return memory_.data() + layout_.channels; }

  /// The offset of memory that peers can read: in a channel, or from allocate(). None for other
  /// memory.
  std::optional<std::uint64_t> offset_of(const std::byte* data, std::size_t bytes) const {
    const auto offset = static_cast<std::size_t>(data - memory_.data());  // wraps if below
    if (offset < layout_.channels || offset >= memory_.bytes()) return std::nullopt;
    if (bytes > memory_.bytes() - offset) return std::nullopt;
    return offset;
  }

  /// Bytes from `data` to the end of its block of registered memory; none for other memory.
  std::optional<std::size_t> registered(const std::byte* data) const;

  /// Registered memory: zeroed, aligned to a page, present. Throws TUTTI_NO_MEMORY, and
  /// TUTTI_SYSTEM where the program has closed the file.
  void* allocate(std::size_t bytes);
  /// Throws TUTTI_INVALID if `pointer` is not from allocate(). Peers' mappings stay valid and read
  /// zeros.
  void deallocate(void* pointer);

  /// Zeroed memory in the arena that takes place when it is touched, and which lies within one of
  /// the windows that peers map. Throws TUTTI_NO_MEMORY. deallocate() takes it back.
  std::byte* reserve(std::size_t bytes);

 private:
  SegmentLayout layout_;
  MemoryFile file_;
  Mapping memory_;  // everything, with address space for all that the arena may become
  mutable std::mutex mutex_;
  Extents extents_;  // guarded by mutex_
};

/// A peer's side. Any thread.
class PeerSegment {
 public:
  /// Of another process. Checks that it is what rank `rank` of a world of `size` would make; throws
  /// TUTTI_SYSTEM naming the rank.
  PeerSegment(UniqueFd fd, int rank, int size);
  /// Of a rank in this process: read through the owner's own mapping.
  PeerSegment(std::shared_ptr<OwnSegment> owner, int size);

  const SegmentHeader& header() const { return *reinterpret_cast<const SegmentHeader*>(base_); }
  /// Where the world's channels begin.
  const std::byte* channels() const { return base_ + layout_.channels; }

  /// Whether `offset` is user memory (the arena), which its owner may want back.
  bool is_arena(std::uint64_t offset) const { return offset >= layout_.arena; }

  /// Bytes of the peer's channels (but their edges) or arena at `offset`: `bytes`, or fewer, but
  /// then at least kClaimBytes. Empty if offset … offset+bytes-1 is not all inside. Peer-given
  /// numbers are safe here. Throws TUTTI_NO_MEMORY if it cannot be mapped.
  std::span<const std::byte> at(std::uint64_t offset, std::uint64_t bytes);

 private:
  using Windows = std::vector<std::shared_ptr<const Mapping>>;  // of the arena, by number

  bool inside(std::uint64_t offset, std::uint64_t bytes);
  const std::byte* map_window(std::size_t window);

  SegmentLayout layout_;
  ChannelLayout channel_;
  // Shared: ranks that are threads of one process read one mapping, whoever of them leaves first.
  std::shared_ptr<OwnSegment> owner_;
  MemoryFile file_;
  Mapping front_;  // header and channels
  const std::byte* base_ = nullptr;
  std::atomic<std::size_t> file_bytes_ = 0;  // of which we know; relaxed: it only grows
  // The table that readers use, release; partner: at(). Older ones stay, readers may be in them.
  std::atomic<const Windows*> windows_ = nullptr;
  std::mutex mutex_;
  std::vector<std::unique_ptr<const Windows>> tables_;  // guarded by mutex_
};

}  // namespace tutti

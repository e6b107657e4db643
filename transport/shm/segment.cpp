#include "transport/shm/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "kernels/error.h"
#include "transport/resources.h"
#include "transport/system_error.h"

namespace tutti {
namespace {

constexpr std::uint64_t kMaxSegmentBytes = std::uint64_t{1} << 46;

// The longest view may begin at a window's last byte: it must not end there, within an element.
constexpr std::size_t kMappedBytes = kArenaWindowBytes + kClaimBytes;

/// Address space for arenas: twice the machine's memory, so that fragments do not matter.
std::size_t arena_reservation() {
  struct sysinfo info {};
  if (sysinfo(&info) != 0) return kArenaWindowBytes;
  const std::size_t memory = std::size_t{info.totalram} * info.mem_unit;
  return (2 * memory + kArenaWindowBytes - 1) / kArenaWindowBytes * kArenaWindowBytes;
}

/// Maps the segment with as much of the reservation as RLIMIT_AS allows.
Mapping map_own(int fd, std::size_t arena_begin) {
  for (std::size_t arena = arena_reservation();; arena /= 2) {
    try {
      return Mapping(fd, 0, arena_begin + arena, Mapping::Access::kReadWrite);
    } catch (const Error&) {
      if (arena <= (std::size_t{64} << 20)) throw;
    }
  }
}

}  // namespace

OwnSegment::OwnSegment(int rank, int size)
    : layout_(SegmentLayout::of(size)),
      file_("tutti-segment", layout_.arena),
      memory_(map_own(file_.fd(), layout_.arena)),
      extents_(memory_.bytes() - layout_.arena) {
  header().magic = kSegmentMagic;
  header().rank = rank;
  header().size = size;
  // A wish: where shmem gives huge pages on advice, the arena gets them.
  madvise(memory_.data() + layout_.arena, memory_.bytes() - layout_.arena, MADV_HUGEPAGE);
}

void* OwnSegment::allocate(std::size_t bytes) {
  const auto refuse = [&](const std::string& why) -> Error {
    return Error(TUTTI_NO_MEMORY,
                 "allocating " + std::to_string(bytes) + " bytes of registered memory: " + why);
  };
  if (bytes > memory_.bytes() - layout_.arena) throw refuse("more than this machine has");
  const auto wanted = static_cast<double>(bytes);
  if (wanted > memory_available().value_or(wanted)) throw refuse("more than is available");
  if (wanted > memory_left().value_or(wanted))
    throw refuse("more than this process's control group (container) may take yet");
  const std::size_t alignment = bytes >= kHugePageBytes ? kHugePageBytes : kPageBytes;
  file_.fd();  // throws where it was closed
  const std::lock_guard lock(mutex_);
  const auto offset = extents_.take(bytes, alignment);
  if (!offset) throw refuse("the arena is full");
  const std::size_t begin = layout_.arena + *offset;
  const std::size_t length =
      (std::max<std::size_t>(bytes, 1) + kPageBytes - 1) / kPageBytes * kPageBytes;
  // Now, not when touched: a full machine is an error here and not a signal later.
  if (const int cause = file_.provide(begin, length); cause != 0) {
    file_.drop(begin, length);
    extents_.give(*offset);
    throw refuse(errno_text("the system refuses", cause));
  }
  return memory_.data() + begin;
}

std::byte* OwnSegment::reserve(std::size_t bytes) {
  const std::size_t length = whole_pages(bytes);
  const std::lock_guard lock(mutex_);
  // A power of two of at least its length: so no window's end is within.
  const auto offset =
      length > kArenaWindowBytes ? std::nullopt : extents_.take(length, std::bit_ceil(length));
  if (!offset) throw Error(TUTTI_NO_MEMORY, "no place for further channels: the arena is full");
  const std::size_t begin = layout_.arena + *offset;
  if (const int cause = file_.grow(begin + length); cause != 0) {
    extents_.give(*offset);
    throw Error(TUTTI_NO_MEMORY, errno_text("making place for further channels", cause));
  }
  return memory_.data() + begin;
}

void OwnSegment::deallocate(void* pointer) {
  const std::lock_guard lock(mutex_);
  const auto offset =
      static_cast<std::size_t>(static_cast<std::byte*>(pointer) - memory_.data()) - layout_.arena;
  const auto bytes = extents_.give(offset);
  if (!bytes) throw Error(TUTTI_INVALID, "the pointer is not from tutti_alloc(), or freed already");
  // Best effort: a refusal keeps the pages, and allocate() would hand out old bytes; so zero them.
  if (!file_.drop(layout_.arena + offset, *bytes))
    std::fill_n(static_cast<std::byte*>(pointer), *bytes, std::byte{0});
}

std::optional<std::size_t> OwnSegment::registered(const std::byte* data) const {
  const auto offset = static_cast<std::size_t>(data - memory_.data());  // wraps if below
  if (offset < layout_.arena || offset >= memory_.bytes()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  return extents_.rest(offset - layout_.arena);
}

PeerSegment::PeerSegment(UniqueFd fd, int rank, int size)
    : layout_(SegmentLayout::of(size)),
      channel_(ChannelLayout::of(size)),
      file_(std::move(fd)),
      file_bytes_(file_.bytes()) {
  const auto refuse = [&](const char* why) -> Error {
    return Error(TUTTI_SYSTEM, "rank " + std::to_string(rank) + "'s segment " + why);
  };
  if (file_bytes_ < layout_.arena) throw refuse("is too short");
  const int seals = fcntl(file_.fd(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) throw refuse("could shrink");
  front_ = Mapping(file_.fd(), 0, layout_.end_of_channels(), Mapping::Access::kRead);
  base_ = front_.data();
  if (header().magic != kSegmentMagic || header().rank != rank || header().size != size)
    throw refuse("is of another world or version");
}

PeerSegment::PeerSegment(std::shared_ptr<OwnSegment> owner, int size)
    : layout_(SegmentLayout::of(size)),
      channel_(ChannelLayout::of(size)),
      owner_(std::move(owner)),
      base_(owner_->base()) {}

bool PeerSegment::inside(std::uint64_t offset, std::uint64_t bytes) {
  if (offset < layout_.channels) return false;
  if (offset < layout_.end_of_channels()) {
    const std::uint64_t in_channel = (offset - layout_.channels) % layout_.channel_bytes;
    return in_channel >= channel_.scratch && bytes <= channel_.bytes - in_channel;
  }
  if (offset < layout_.arena || offset >= kMaxSegmentBytes) return false;
  const auto fits = [&](std::size_t end) { return offset <= end && bytes <= end - offset; };
  if (fits(file_bytes_.load(std::memory_order_relaxed))) return true;
  const std::size_t now = owner_ ? owner_->file_bytes() : file_.bytes();  // it may have grown
  file_bytes_.store(now, std::memory_order_relaxed);
  return fits(now);
}

std::span<const std::byte> PeerSegment::at(std::uint64_t offset, std::uint64_t bytes) {
  if (!inside(offset, bytes)) return {};
  if (owner_ || offset < layout_.arena) return {base_ + offset, static_cast<std::size_t>(bytes)};
  const std::uint64_t in_arena = offset - layout_.arena;
  const auto window = static_cast<std::size_t>(in_arena / kArenaWindowBytes);
  const auto in_window = static_cast<std::size_t>(in_arena % kArenaWindowBytes);
  const Windows* const known = windows_.load(std::memory_order_acquire);  // partner: map_window()
  const bool mapped = known != nullptr && window < known->size() && (*known)[window];
  const std::byte* const begin = mapped ? (*known)[window]->data() : map_window(window);
  const std::size_t length = std::min<std::uint64_t>(bytes, kMappedBytes - in_window);
  return {begin + in_window, length};
}

const std::byte* PeerSegment::map_window(std::size_t window) {
  const std::lock_guard lock(mutex_);
  auto table =
      tables_.empty() ? std::make_unique<Windows>() : std::make_unique<Windows>(*tables_.back());
  if (table->size() <= window) table->resize(window + 1);
  std::shared_ptr<const Mapping>& mapping = (*table)[window];
  if (mapping) return mapping->data();  // by another thread, just now
  mapping = std::make_shared<const Mapping>(file_.fd(), layout_.arena + window * kArenaWindowBytes,
                                            kMappedBytes, Mapping::Access::kRead);
  madvise(mapping->data(), kMappedBytes, MADV_HUGEPAGE);  // a wish, as in OwnSegment
  const std::byte* const begin = mapping->data();
  windows_.store(table.get(), std::memory_order_release);
  tables_.push_back(std::move(table));
  return begin;
}

}  // namespace tutti

// What lies where in the memory that the ranks of a host share.
//
// Each rank owns one file without a name (memfd), its *segment*: it alone writes there, its peers
// map it read-only. So a message is written once, by its sender, into the sender's own memory, and
// pulled by the receiver; what the receiver has read it says in its own segment.
//
//   segment of rank r   header | channel 0 | channel 1 | … | arena …
//   channel             calls begun | edge to rank 0 | edge to rank 1 | … | scratch | transit
//   edge to rank p      lines[lane][W]   messages to p, announced
//                       receipts[lane]   how far r has read the messages from p
//                       staging          bytes of messages that p does not read in place
//   transit             the same for long messages, or from a peer whose memory r reads by system
//                       calls: shared out equally among the peers
//   arena               registered memory, and the channels of further communicators
//
// One small *control* file, made by rank 0, is written by all: see ControlHeader and RankControl.
//
// One writer a cache line; 128 bytes between writers, because processors fetch lines in pairs.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "transport/transport.h"

namespace tutti {

inline constexpr std::uint32_t kWindow = 16;  // lines an (edge, lane) holds
inline constexpr std::size_t kInlineBytes = 312;
inline constexpr std::size_t kStagingBlockBytes = 512;
inline constexpr int kStagingBlocks = 22;
inline constexpr std::size_t kScratchBytes = std::size_t{2} << 20;
inline constexpr std::size_t kTransitBytes = std::size_t{1792} << 10;
/// Where ranks read each other's memory by system calls at all, messages up to here are staged all
/// the same. 8 ranks on 2 cores, 32 KiB: 61 us staged, 97 read; 256 KiB: 330 either way.
inline constexpr std::size_t kStagedBytes = std::size_t{64} << 10;
/// Copies from here on go past the cache where the reader is far (see Distance): it fetches lines
/// from memory sooner than from this core's cache. docs/decisions/0006-staging.md has the times.
inline constexpr std::size_t kStreamedBytes = 4096;
/// A reader names at most this much of a peer's memory as being read; also the longest view.
inline constexpr std::size_t kClaimBytes = std::size_t{256} << 10;
/// So much of a peer's arena is mapped at a time, when it is first read.
inline constexpr std::size_t kArenaWindowBytes = std::size_t{1} << 30;
inline constexpr int kMaxShmRanks = 1024;

inline constexpr std::size_t kWriterGap = 128;
inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

// Peers see these bytes without a lock.
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

/// One announcement. `word` is stored last (release) by the sender and loaded (acquire) by the
/// receiver: sequence of the line in the high half, call hash in the low one. Sequences count from
/// 1. A message of at most kInlineBytes is the payload itself; both sides know its length. Any
/// other message is one or more lines with a Descriptor. Five cache lines: a reader fetches all of
/// them at once, so that 64 to 312 bytes cost one miss and not two (far, 64 bytes: 0.51 us a call
/// instead of 0.78; near, 256 bytes: 0.18 us an exchange instead of 0.24).
struct alignas(64) Line {
  std::atomic<std::uint64_t> word;
  std::byte payload[kInlineBytes];
};
static_assert(sizeof(Line) == 320);

enum class Place : std::uint8_t {
  kStaged = 1,   // where: offset in the edge's staging area
  kSegment = 2,  // where: offset in the sender's segment (scratch, transit or arena)
  kAddress = 3,  // where: address in the sender's process
};

/// Where one part of a message lies.
struct Descriptor {
  std::uint64_t where = 0;
  std::uint64_t bytes = 0;
  Place place = Place::kStaged;
  std::uint8_t more = 0;  // 1: the message goes on in the next line
  std::uint8_t unused[6] = {};
};
static_assert(sizeof(Descriptor) <= kInlineBytes);

/// What a rank tells a peer about reading its messages on one lane; written by the reader.
struct alignas(kWriterGap) Receipt {
  std::atomic<std::uint64_t> consumed;  // lines read; release, partner: Outbox::refresh()
  std::atomic<std::uint32_t> claim;     // 1 while the reader reads the sender's user memory
};

/// Everything between the owner of a segment and one peer.
struct alignas(kWriterGap) Edge {
  Line lines[kLanes][kWindow];
  Receipt receipts[kLanes];
  std::byte staging[kStagingBlocks * kStagingBlockBytes];
};
static_assert(2 * sizeof(Edge) <= std::size_t{64} << 10, "budget of a peer pair");
static_assert(kStagingBlocks >= 2 * kLanes,
              "each lane needs a block of its own, and some to share");

/// The calls that the owner has begun last, for its peers to compare. See call_board.h.
inline constexpr std::uint32_t kCallSlots = 32;
inline constexpr std::size_t kCallWords = 6;
struct alignas(64) CallSlot {
  std::atomic<std::uint64_t> words[kCallWords];
};
struct alignas(kWriterGap) CallBoard {
  std::atomic<std::uint64_t> calls;  // begun so far: the owner's progress
  CallSlot slots[kCallSlots];
};

constexpr std::size_t whole_pages(std::size_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

/// Offsets in the memory of a channel among `size` ranks, which begins with its CallBoard.
struct ChannelLayout {
  std::size_t edges, scratch, transit, bytes;

  static constexpr ChannelLayout of(int size) {
    ChannelLayout l{};
    l.edges = sizeof(CallBoard);
    l.scratch = whole_pages(l.edges + static_cast<std::size_t>(size) * sizeof(Edge));
    l.transit = l.scratch + kScratchBytes;
    l.bytes = l.transit + kTransitBytes;
    return l;
  }
};

/// The memory of one channel as its owner writes it (Byte: std::byte) or as a peer reads it.
template <typename Byte>
struct ChannelMemory {
  template <typename T>
  using Like = std::conditional_t<std::is_const_v<Byte>, const T, T>;

  Byte* begin = nullptr;
  ChannelLayout layout{};

  Like<CallBoard>& board() const { return *reinterpret_cast<Like<CallBoard>*>(begin); }
  Like<Edge>& edge(int peer) const {
    return reinterpret_cast<Like<Edge>*>(begin + layout.edges)[static_cast<std::size_t>(peer)];
  }
  std::span<Byte> scratch() const { return {begin + layout.scratch, kScratchBytes}; }
  std::span<Byte> transit() const { return {begin + layout.transit, kTransitBytes}; }
};

inline constexpr std::uint64_t kSegmentMagic = 0x32676573'69747475;  // "uttiseg2"
inline constexpr std::size_t kFaultTextBytes = 512;
/// Channel sets beside the world's that a rank may have at a time.
inline constexpr std::size_t kMaxChannelSets = 1024;

struct SegmentHeader {
  std::uint64_t magic;
  std::int32_t rank, size;
  // Filled before the owner proposes a fault, never changed afterwards.
  alignas(kWriterGap) char fault_text[kFaultTextBytes];
  // 1: the owner can read the user memory of that rank by process_vm_readv. Set before the start
  // ends.
  alignas(kWriterGap) std::atomic<std::uint8_t> can_read[kMaxShmRanks];
  // Counts the sets that the owner has had in this slot and closed; release, partner:
  // ChannelSets::closed().
  alignas(kWriterGap) std::atomic<std::uint64_t> sets_closed[kMaxChannelSets];
};

/// Offsets in a segment of a world of `size` ranks.
struct SegmentLayout {
  std::size_t channels, channel_bytes, arena;

  static constexpr SegmentLayout of(int size) {
    SegmentLayout l{};
    l.channels = whole_pages(sizeof(SegmentHeader));
    l.channel_bytes = ChannelLayout::of(size).bytes;
    l.arena = (l.end_of_channels() + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
    return l;
  }
  constexpr std::size_t end_of_channels() const { return channels + kChannels * channel_bytes; }
};

/// What each of `size` ranks gets of a transit area. 0: they are too many.
constexpr std::size_t transit_part(int size) {
  return size < 2 ? 0
                  : kTransitBytes / static_cast<std::size_t>(size - 1) / kPageBytes * kPageBytes;
}

/// The life word of a rank; a futex word in the kernel's format for robust locks. It holds the
/// number of the owner's life thread; the kernel sets kLifeDied when that thread dies.
inline constexpr std::uint32_t kLifeUnborn = 0;
inline constexpr std::uint32_t kLifeDied = 0x40000000;  // FUTEX_OWNER_DIED
inline constexpr std::uint32_t kLifeLeft = 0x20000000;  // above any thread number

struct RankControl {
  // Rung by whoever finds the owner asleep.
  alignas(kWriterGap) std::atomic<std::uint32_t> doorbell;  // futex
  std::atomic<std::uint32_t> asleep;                        // a bit for each of its Waiters
  // Owner only.
  alignas(kWriterGap) std::atomic<std::uint64_t> alive;  // counts up every kHeartbeat
  std::atomic<std::uint32_t> life;
};

struct ControlHeader {
  // 0, or the first fault of the world: see Fault. Compare-and-swap; the first writer wins.
  alignas(kWriterGap) std::atomic<std::uint64_t> fault;
};

// Memory that is not touched takes no place: this is what a rank needs that only blocks.
inline constexpr std::size_t kRankBytes = kScratchBytes + kTransitBytes + sizeof(CallBoard) +
                                          sizeof(SegmentHeader) + sizeof(RankControl) + kPageBytes;
static_assert(kRankBytes <= std::size_t{4} << 20, "budget of a rank");

}  // namespace tutti

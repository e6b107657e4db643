#include "transport/shm/inbox.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <string>

#include "transport/shm/call_board.h"
#include "transport/shm/cross_memory.h"

namespace tutti {
namespace {

std::span<std::byte> tile_of(std::span<std::byte> landing, int lane) {
  // Multiples of 64 bytes, so that elements of any dtype stay whole.
  const std::size_t share = std::min(landing.size() / kLanes, kClaimBytes) / 64 * 64;
  return landing.subspan(static_cast<std::size_t>(lane) * share, share);
}

}  // namespace

Inbox::Inbox(const PeerLink& link, int lane)
    : link_(link),
      lines_(link.theirs->lines[lane]),
      staging_(link.theirs->staging),
      receipt_(link.mine->receipts[lane]),
      tile_(tile_of(link.landing, lane)) {}

/// Whether the next line is there. Looks several times: what is awaited mostly comes within the
/// time that going away and back takes.
inline bool Inbox::arrived(std::uint32_t call_hash) const {
  const std::uint64_t wanted = next_ << 32 | call_hash;
  const std::atomic<std::uint64_t>& line = lines_[next_ % kWindow].word;
  // acquire: partner is Outbox::publish()
  std::uint64_t word = line.load(std::memory_order_acquire);
  for (int poll = 0; poll < link_.polls && word != wanted; ++poll)
    word = line.load(std::memory_order_acquire);
  if (word == wanted) [[likely]]
    return true;
  absent(word, call_hash);
  return false;
}

/// The line holds something else: what the window's last round left there, or a fault.
void Inbox::absent(std::uint64_t word, std::uint32_t call_hash) const {
  const auto sequence = static_cast<std::uint32_t>(word >> 32);
  if (sequence == static_cast<std::uint32_t>(next_))
    mismatch(static_cast<std::uint32_t>(word), call_hash);
  const bool old = sequence == static_cast<std::uint32_t>(next_ - kWindow) || next_ <= kWindow;
  if (!old || (next_ <= kWindow && word != 0)) damaged("the order of its announcements");
}

/// Whether unread bytes of the message, or its end, are there.
bool Inbox::ready(std::uint32_t call_hash, std::size_t bytes) {
  if (phase_ == Phase::kPiece) return true;
  if (!arrived(call_hash)) return false;
  if (phase_ == Phase::kNext && bytes <= kInlineBytes) {
    source_ = Source::kHere;
    data_ = lines_[next_ % kWindow].payload;
    left_ = bytes;
    more_ = false;
  } else {
    open_piece(bytes);
  }
  phase_ = Phase::kPiece;
  return true;
}

void Inbox::open_piece(std::size_t bytes) {
  Descriptor descriptor;  // a copy: the peer could change its own afterwards
  std::memcpy(&descriptor, lines_[next_ % kWindow].payload, sizeof descriptor);
  if (descriptor.bytes == 0 || descriptor.more > 1) damaged("an announcement");
  const bool last = descriptor.more == 0;
  if (descriptor.bytes > bytes || (descriptor.bytes == bytes) != last)
    link_.faults->fail(TUTTI_MISMATCH, link_.name() + " announced " +
                                           std::to_string(descriptor.bytes) +
                                           (last ? "" : " and more") + " bytes where rank " +
                                           std::to_string(link_.own->header().rank) + " expects " +
                                           std::to_string(bytes));
  locate(descriptor);
  left_ = static_cast<std::size_t>(descriptor.bytes);
  landed_ = 0;
  more_ = !last;
}

void Inbox::locate(const Descriptor& descriptor) {
  where_ = descriptor.where;
  switch (descriptor.place) {
    case Place::kStaged: {
      constexpr std::size_t kArea = kStagingBlocks * kStagingBlockBytes;
      if (where_ > kArea || descriptor.bytes > kArea - where_) damaged("a place in its staging");
      source_ = Source::kHere;
      data_ = staging_ + where_;
      return;
    }
    case Place::kSegment:
      if (link_.segment->at(where_, descriptor.bytes).empty()) damaged("a place in its memory");
      source_ = Source::kArena;
      return;
    case Place::kAddress:
      source_ = link_.same_process ? Source::kClaim : Source::kCross;
      if (source_ == Source::kClaim)
        data_ = reinterpret_cast<const std::byte*>(static_cast<std::uintptr_t>(where_));
      if (source_ == Source::kCross && link_.landing.empty()) damaged("an announcement");
      return;
  }
  damaged("an announcement");
}

/// Where the next bytes are mapped; narrows `bytes` to those that are contiguous there.
const std::byte* Inbox::contiguous(std::size_t& bytes) {
  if (source_ == Source::kHere) return data_;
  bytes = std::min(bytes, kClaimBytes);
  if (source_ == Source::kArena) {
    const auto there = link_.segment->at(where_, bytes);
    bytes = there.size();
    if (link_.segment->is_arena(where_)) claim();
    return there.data();
  }
  claim();
  return data_;
}

View Inbox::view(std::uint32_t call_hash, std::size_t bytes) {
  if (!ready(call_hash, bytes)) return {};
  std::size_t n = std::min(left_, bytes);
  if (n == 0) return {data_, 0, true};
  if (source_ == Source::kCross) return land();
  const std::byte* const data = contiguous(n);
  return {data, n, true};
}

View Inbox::fetch(std::uint32_t call_hash, std::byte* dst, std::size_t bytes, Stores stores) {
  if (!ready(call_hash, bytes)) return {};
  std::size_t n = std::min(left_, bytes);
  if (n == 0) return {dst, 0, true};
  if (source_ == Source::kCross) {
    n = std::min(n, kClaimBytes);
    cross_copy(dst, n);
  } else {
    const std::byte* const data = contiguous(n);  // first: it narrows n
    copy_bytes(dst, data, n, stores);
  }
  advance(n);
  return {dst, n, true};
}

/// Reads the next bytes into this lane's tile, unless there are some already.
View Inbox::land() {
  if (landed_ == 0) {
    const std::size_t n = std::min(left_, tile_.size());
    claim();
    cross_copy(tile_.data(), n);
    end_claim();
    landed_ = n;
    landed_read_ = 0;
  }
  return {tile_.data() + landed_read_, landed_, true};
}

void Inbox::cross_copy(std::byte* dst, std::size_t bytes) {
  const std::size_t landed = std::min(landed_, bytes);
  if (landed > 0) std::memcpy(dst, tile_.data() + landed_read_, landed);
  if (landed == bytes) return;
  claim();
  CrossRead read = cross_read(link_.pid, where_ + landed, dst + landed, bytes - landed);
  // The number of a dead process may be that of another one by now.
  if ((link_.control->life.load(std::memory_order_acquire) & kLifeDied) != 0)
    read = CrossRead::kGone;
  if (read == CrossRead::kDone) return;
  if (link_.faults->poisoned()) link_.faults->raise();
  link_.faults->fail(
      TUTTI_PEER_FAILED,
      read == CrossRead::kGone
          ? link_.name() + " died (pid " + std::to_string(link_.pid) + ")"
          : link_.name() + "'s memory cannot be read (pid " + std::to_string(link_.pid) + ")");
}

void Inbox::advance(std::size_t bytes) {
  assert(phase_ == Phase::kPiece && bytes <= left_);
  data_ += bytes;
  where_ += bytes;
  left_ -= bytes;
  if (source_ == Source::kCross) {
    const std::size_t landed = std::min(landed_, bytes);
    landed_ -= landed;
    landed_read_ += landed;
  }
  end_claim();
  if (left_ == 0 && more_) {
    consume();
    phase_ = Phase::kMore;
  }
}

void Inbox::release() {
  assert(phase_ == Phase::kPiece && left_ == 0 && !more_);
  consume();
  phase_ = Phase::kNext;
}

/// Gives the line, and what it announced, back to the sender.
void Inbox::consume() {
  // release: our reads come before; partner: Outbox::refresh()
  receipt_.consumed.store(next_, std::memory_order_release);
  ++next_;
  wake_if_asleep(*link_.control, link_.fences_posts);
}

/// Says that we are reading the peer's user memory. From now on the peer's abandon() waits for us;
/// if it has begun before, we see the fault here. (Either our store is visible to its scan or its
/// fault to our load.)
void Inbox::claim() {
  if (claimed_) return;
  claimed_ = true;
  receipt_.claim.store(1, std::memory_order_relaxed);
  light_fence(link_.membarrier);  // partner: ShmTransport::await_readers()
  if (link_.faults->poisoned()) link_.faults->raise();
}

/// The bytes are read. But the owner may have had to take its memory back meanwhile: then they are
/// worth nothing.
void Inbox::end_claim() {
  if (!claimed_) return;
  unclaim();
  if (link_.faults->poisoned()) link_.faults->raise();
}

void Inbox::unclaim() {
  if (!claimed_) return;
  claimed_ = false;
  receipt_.claim.store(0, std::memory_order_release);  // partner: ShmTransport::abandon()
}

void Inbox::damaged(const std::string& what) const {
  link_.faults->fail(TUTTI_PEER_FAILED, link_.name() + " damaged " + what);
}

void Inbox::mismatch(std::uint32_t theirs, std::uint32_t ours) const {
  const int rank = link_.own->header().rank;
  std::string text;
  if (link_.same_order)
    text = first_difference(rank, *link_.own_calls, link_.rank, *link_.peers_calls);
  if (text.empty())
    text = difference({rank, call_with_hash(*link_.own_calls, ours)},
                      {link_.rank, call_with_hash(*link_.peers_calls, theirs)});
  link_.faults->fail(TUTTI_MISMATCH, text);
}

}  // namespace tutti

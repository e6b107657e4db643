#include "transport/shm/outbox.h"

#include <algorithm>
#include <cstring>

namespace tutti {
namespace {

/// A long staged message goes in fragments, so that filling one and reading another overlap: of a
/// quarter of what is left, but at least a block and at most this.
constexpr std::size_t kFragmentBytes = std::size_t{64} << 10;
constexpr std::size_t kFragments = 4;
/// What the small blocks may be used for as long as there are large ones.
constexpr std::size_t kSmallBytes = std::size_t{2} << 10;

/// Takes a cache line over from whoever holds it, in the background.
#if defined(__x86_64__)
void take_over(const void* line) { asm volatile("prefetchw (%0)" : : "r"(line)); }
#else
void take_over(const void* line) { __builtin_prefetch(line, 1); }
#endif

}  // namespace

Outbox::Outbox(const PeerLink& link, Staging& staging, int lane)
    : link_(link),
      staging_(staging),
      lane_(lane),
      lines_(link.mine->lines[lane]),
      receipt_(link.theirs->receipts[lane]) {
  rest_.reserve(8);  // so that a peer that is slow for the first time costs no allocation
}

bool Outbox::post(std::uint32_t call_hash, std::span<const Piece> pieces) {
  if (!rest_.empty()) return false;
  if (next_ > limit_ && !refresh()) return false;
  std::size_t bytes = 0;
  for (const Piece& piece : pieces) bytes += piece.bytes;
  call_hash_ = call_hash;
  ++messages_;
  locked_[messages_ % kRemembered] = locked_[(messages_ - 1) % kRemembered];
  if (bytes > kInlineBytes) return post_long(pieces);
  Line& line = lines_[next_ % kWindow];
  std::byte* to = line.payload;
  for (const Piece& piece : pieces) {
    if (piece.bytes == 8) {
      std::memcpy(to, piece.data, 8);  // one store
    } else if (piece.bytes > 0) {
      std::memcpy(to, piece.data, piece.bytes);
    }
    to += piece.bytes;
  }
  publish(line, bytes);
  return true;
}

bool Outbox::post_long(std::span<const Piece> pieces) {
  std::size_t left = 0;
  for (const Piece& piece : pieces) left += piece.bytes;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].bytes == 0) continue;
    left -= pieces[i].bytes;
    std::size_t done = 0;
    if (announce(pieces[i], left > 0, done)) continue;
    rest_.assign(pieces.begin() + static_cast<std::ptrdiff_t>(i), pieces.end());
    rest_[0] = {pieces[i].data + done, pieces[i].bytes - done};
    std::erase_if(rest_, [](const Piece& piece) { return piece.bytes == 0; });
    break;
  }
  return true;
}

bool Outbox::push() {
  const std::uint64_t before = next_;
  std::size_t i = 0;
  for (; i < rest_.size(); ++i) {
    std::size_t done = 0;
    if (announce(rest_[i], i + 1 < rest_.size(), done)) continue;
    rest_[i] = {rest_[i].data + done, rest_[i].bytes - done};
    break;
  }
  rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(i));
  return next_ != before;
}

/// Announces one piece. False: only the first `done` bytes, for want of a line or of staging.
bool Outbox::announce(const Piece& piece, bool more, std::size_t& done) {
  Descriptor descriptor;
  descriptor.place = place_of(piece, descriptor.where);
  if (descriptor.place == Place::kStaged) return stage(piece, more, done);
  if (next_ > limit_ && !refresh()) return false;
  descriptor.bytes = piece.bytes;
  descriptor.more = more;
  locked_[messages_ % kRemembered] = next_;
  describe_line(descriptor);
  return true;
}

bool Outbox::stage(const Piece& piece, bool more, std::size_t& done) {
  const bool streams = piece.bytes >= kStreamedBytes && staging_.reader.far();
  const Stores stores = streams ? Stores::kStreaming : Stores::kCached;
  while (done < piece.bytes) {
    if (next_ > limit_ && !refresh()) return false;
    Blocks blocks = take(piece.bytes - done);
    if (blocks.pool == nullptr && refresh()) blocks = take(piece.bytes - done);
    if (blocks.pool == nullptr) return false;
    const std::span<std::byte> to = blocks.pool->bytes(blocks.run);
    Descriptor descriptor = describe(blocks);
    descriptor.bytes = std::min(to.size(), piece.bytes - done);
    copy_bytes(to.data(), piece.data + done, descriptor.bytes, stores);
    done += descriptor.bytes;
    descriptor.more = more || done < piece.bytes;
    blocks_[next_ % kWindow] = blocks;
    ++staged_lines_;
    describe_line(descriptor);
  }
  return true;
}

/// Blocks for the next fragment of a piece that has `left` bytes to go. No pool: none are free.
Outbox::Blocks Outbox::take(std::size_t left) {
  if (left > kSmallBytes) {
    const std::size_t want =
        std::min(left / kFragments, kFragmentBytes) / staging_.large.block_bytes();
    const auto run = staging_.large.take(lane_, static_cast<int>(std::max<std::size_t>(want, 1)));
    if (run.blocks > 0) return {&staging_.large, run};
    if (staging_.large.holds(lane_)) return {};  // soon there will be some
  }
  const std::size_t want =
      (std::min(left, kSmallBytes) + kStagingBlockBytes - 1) / kStagingBlockBytes;
  const auto run = staging_.small.take(lane_, static_cast<int>(want));
  return {run.blocks > 0 ? &staging_.small : nullptr, run};
}

/// Where blocks lie, for the reader.
Descriptor Outbox::describe(const Blocks& blocks) const {
  const std::byte* const data = blocks.pool->bytes(blocks.run).data();
  if (blocks.pool == &staging_.small)
    return {.where = static_cast<std::uint64_t>(data - link_.mine->staging),
            .place = Place::kStaged};
  return {.where = static_cast<std::uint64_t>(data - link_.own->base()), .place = Place::kSegment};
}

Place Outbox::place_of(const Piece& piece, std::uint64_t& where) const {
  if (const auto offset = link_.own->offset_of(piece.data, piece.bytes)) {
    where = *offset;
    return Place::kSegment;
  }
  const bool in_place = link_.same_process || piece.bytes > link_.cross_from;
  if (!in_place) return Place::kStaged;
  where = reinterpret_cast<std::uintptr_t>(piece.data);
  return Place::kAddress;
}

void Outbox::describe_line(const Descriptor& descriptor) {
  Line& line = lines_[next_ % kWindow];
  std::memcpy(line.payload, &descriptor, sizeof descriptor);
  publish(line, sizeof descriptor);
}

/// Makes a line visible whose payload, of `bytes`, is there.
void Outbox::publish(Line& line, std::size_t bytes) {
  const std::uint64_t word = next_ << 32 | call_hash_;
  ++next_;
  // partner: Inbox::arrived(), which may read the payload once it sees the word
  line.word.store(word, std::memory_order_release);
  wake_if_asleep(*link_.control, link_.fences_posts);
  // The peer, which has read the next line a round ago, does not look at it yet: taking it over now
  // spares the next message, which is probably as long as this one, half of its way.
  const auto* const next = reinterpret_cast<const std::byte*>(&lines_[next_ % kWindow]);
  for (std::size_t at = 0; at < sizeof line.word + bytes; at += 64) take_over(next + at);
}

/// How many lines the peer has read. `known`: as of the last time.
std::uint64_t Outbox::read_receipt(std::uint64_t known) {
  // acquire: the peer's reads of lines and staging come before it says so in Inbox::consume()
  if (!staging_.reader.due()) return receipt_.consumed.load(std::memory_order_acquire);
  const auto begin = Distance::Clock::now();
  const std::uint64_t consumed = receipt_.consumed.load(std::memory_order_acquire);
  if (consumed != known) staging_.reader.note(Distance::Clock::now() - begin);
  return consumed;
}

/// Looks how far the peer has read. True if there is a free line now.
bool Outbox::refresh() {
  const std::uint64_t known = limit_ - kWindow;
  const std::uint64_t consumed = read_receipt(known);
  if (consumed < known || consumed >= next_)
    link_.faults->fail(TUTTI_PEER_FAILED, link_.name() +
                                              " damaged its receipts: it says that it has read " +
                                              std::to_string(consumed) + " of " +
                                              std::to_string(next_ - 1) + " lines");
  if (staged_lines_ > 0) give_staging_back(known + 1, consumed);
  limit_ = consumed + kWindow;
  return next_ <= limit_;
}

void Outbox::give_staging_back(std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t line = from; line <= to; ++line) {
    Blocks& blocks = blocks_[line % kWindow];
    if (blocks.pool == nullptr) continue;
    blocks.pool->give(lane_, blocks.run);
    blocks.pool = nullptr;
    --staged_lines_;
  }
}

bool Outbox::drained(std::uint32_t lag) {
  if (lag >= messages_ || lag > kWindow) return true;
  if (lag == 0 && !rest_.empty()) return false;
  const std::uint64_t line = locked_[(messages_ - lag) % kRemembered];
  if (line + kWindow <= limit_) return true;
  refresh();
  return line + kWindow <= limit_;
}

}  // namespace tutti

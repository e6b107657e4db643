// The receiver's side of one (peer, lane).
#pragma once

#include <cstdint>
#include <span>

#include "transport/shm/peer_link.h"
#include "transport/transport.h"

namespace tutti {

class Inbox {
 public:
  Inbox(const PeerLink& link, int lane);

  /// As Endpoint's.
  View view(std::uint32_t call_hash, std::size_t bytes);
  View fetch(std::uint32_t call_hash, std::byte* dst, std::size_t bytes, Stores stores);
  void advance(std::size_t bytes);
  void release();

  /// Stops reading for good: this rank is about to fail.
  void unclaim();

 private:
  enum class Phase : std::uint8_t {
    kNext,   // no message is open
    kMore,   // a message is open, its next descriptor is to come
    kPiece,  // left_ bytes of the piece are unread
  };
  enum class Source : std::uint8_t {
    kHere,   // at data_: a line, staging, or memory of this process' peers that stays mapped
    kClaim,  // at data_, memory of a rank of this process that may give it back: needs a claim
    kArena,  // at where_ in the peer's segment
    kCross,  // at where_ in the peer's process
  };

  bool ready(std::uint32_t call_hash, std::size_t bytes);
  bool arrived(std::uint32_t call_hash) const;
  void absent(std::uint64_t word, std::uint32_t call_hash) const;
  void open_piece(std::size_t bytes);
  void locate(const Descriptor& descriptor);
  const std::byte* contiguous(std::size_t& bytes);
  View land();
  void cross_copy(std::byte* dst, std::size_t bytes);
  void claim();
  void end_claim();
  void consume();
  [[noreturn]] void damaged(const std::string& what) const;
  [[noreturn]] void mismatch(std::uint32_t theirs, std::uint32_t ours) const;

  const PeerLink& link_;
  const Line* const lines_;
  const std::byte* const staging_;
  Receipt& receipt_;
  const std::span<std::byte> tile_;  // where cross-memory views land

  std::uint64_t next_ = 1;  // sequence of the line to read
  Phase phase_ = Phase::kNext;
  Source source_ = Source::kHere;
  bool more_ = false;
  bool claimed_ = false;
  const std::byte* data_ = nullptr;
  std::uint64_t where_ = 0;
  std::size_t left_ = 0;
  std::size_t landed_ = 0;       // unread bytes in tile_
  std::size_t landed_read_ = 0;  // read bytes before them
};

}  // namespace tutti

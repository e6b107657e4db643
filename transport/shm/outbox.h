// The sender's side of one (peer, lane).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "transport/shm/peer_link.h"
#include "transport/shm/staging.h"
#include "transport/transport.h"

namespace tutti {

class Outbox {
 public:
  Outbox(const PeerLink& link, Staging& staging, int lane);

  /// Endpoint::post().
  bool post(std::uint32_t call_hash, std::span<const Piece> pieces);

  /// Announces what an earlier post() has left. True if anything was.
  bool push();
  /// Whether push() is needed.
  bool pending() const { return !rest_.empty(); }

  /// Takes back the staging of what the peer has read.
  void collect() {
    if (staged_lines_ > 0) refresh();
  }

  /// Endpoint::drained().
  bool drained(std::uint32_t lag);

 private:
  // More than a window of messages: older ones are read for sure.
  static constexpr std::uint32_t kRemembered = 2 * kWindow;

  /// Blocks that a line has announced, and whose they are.
  struct Blocks {
    StagingPool* pool = nullptr;
    StagingPool::Run run;
  };

  bool post_long(std::span<const Piece> pieces);
  bool announce(const Piece& piece, bool more, std::size_t& done);
  bool stage(const Piece& piece, bool more, std::size_t& done);
  Blocks take(std::size_t left);
  Descriptor describe(const Blocks& blocks) const;
  Place place_of(const Piece& piece, std::uint64_t& where) const;
  void publish(Line& line, std::size_t bytes);
  void describe_line(const Descriptor& descriptor);
  std::uint64_t read_receipt(std::uint64_t known);
  bool refresh();
  void give_staging_back(std::uint64_t from, std::uint64_t to);

  const PeerLink& link_;
  Staging& staging_;
  const int lane_;
  Line* const lines_;
  const Receipt& receipt_;

  std::uint64_t next_ = 1;                  // sequence of the next line
  std::uint64_t limit_ = kWindow;           // the last sequence that there is a free line for
  std::uint64_t messages_ = 0;              // posted so far
  std::uint32_t call_hash_ = 0;             // of the message being announced
  std::uint64_t locked_[kRemembered] = {};  // per message: the last line, of it or of one before,
                                            // whose bytes the peer reads in this rank's memory
  Blocks blocks_[kWindow] = {};             // of each line
  int staged_lines_ = 0;                    // lines with blocks
  std::vector<Piece> rest_;                 // not yet announced, the first one perhaps in part
};

}  // namespace tutti

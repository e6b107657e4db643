// One peer: four lanes each way.
#pragma once

#include <array>
#include <cstdint>

#include "transport/shm/inbox.h"
#include "transport/shm/outbox.h"
#include "transport/transport.h"

namespace tutti {

/// What the endpoints of a rank have in common.
struct SharedCounts {
  std::uint64_t idles = 1;  // calls of Transport::idle(), plus 1
  int pending = 0;          // lanes that have something left to announce
};

class ShmEndpoint final : public Endpoint {
 public:
  ShmEndpoint(SharedCounts& progress, const PeerLink& link);

  bool post(int lane, std::uint32_t call_hash, std::span<const Piece> pieces) override;
  bool drained(int lane, std::uint32_t lag) override;
  View view(int lane, std::uint32_t call_hash, std::size_t bytes) override;
  View fetch(int lane, std::uint32_t call_hash, std::byte* dst, std::size_t bytes,
             Stores stores) override;
  void advance(int lane, std::size_t bytes) override;
  void release(int lane) override;

  /// Announces what posts have left. True if anything was.
  bool push();
  /// Whether everything posted is announced and read.
  bool all_drained();
  /// Stops reading the peer's memory for good.
  void unclaim();
  /// Whether the peer is reading memory of this rank.
  bool claimed() const;

  const PeerLink& link() const { return link_; }
  /// Whether this rank waited for this peer just before the last idle().
  bool awaited() const { return missed_at_ + 1 == counts_.idles; }
  std::uint64_t missed_at() const { return missed_at_; }

 private:
  Outbox& out(int lane) { return out_[static_cast<std::size_t>(lane)]; }
  Inbox& in(int lane) { return in_[static_cast<std::size_t>(lane)]; }
  void missed() { missed_at_ = counts_.idles; }

  SharedCounts& counts_;
  const PeerLink link_;
  Staging staging_;
  std::array<Outbox, kLanes> out_;
  std::array<Inbox, kLanes> in_;
  std::uint64_t missed_at_ = 0;  // counts_.idles when something was not there last
};

}  // namespace tutti

#include "transport/shm/endpoint.h"

#include <algorithm>

namespace tutti {

static_assert(kLanes == 4, "the initialisers below");

namespace {

/// Blocks of whole pages, at most 64 of them, so that many ranks have some, too.
std::size_t block_of(std::size_t stage_bytes) {
  constexpr std::size_t kMost = std::size_t{32} << 10;
  return std::clamp(stage_bytes / 64 / kPageBytes * kPageBytes, kPageBytes, kMost);
}

}  // namespace

ShmEndpoint::ShmEndpoint(SharedCounts& progress, const PeerLink& link)
    : counts_(progress),
      link_(link),
      staging_{StagingPool(link.mine->staging, kStagingBlockBytes),
               StagingPool(link.stage, block_of(link.stage.size()))},
      out_{Outbox(link_, staging_, 0), Outbox(link_, staging_, 1), Outbox(link_, staging_, 2),
           Outbox(link_, staging_, 3)},
      in_{Inbox(link_, 0), Inbox(link_, 1), Inbox(link_, 2), Inbox(link_, 3)} {}

bool ShmEndpoint::post(int lane, std::uint32_t call_hash, std::span<const Piece> pieces) {
  if (!out(lane).post(call_hash, pieces)) [[unlikely]] {
    missed();
    return false;
  }
  if (out(lane).pending()) [[unlikely]]
    ++counts_.pending;
  return true;
}

bool ShmEndpoint::drained(int lane, std::uint32_t lag) {
  if (out(lane).drained(lag)) return true;
  missed();
  return false;
}

View ShmEndpoint::view(int lane, std::uint32_t call_hash, std::size_t bytes) {
  const View view = in(lane).view(call_hash, bytes);
  if (!view.there) missed();
  return view;
}

View ShmEndpoint::fetch(int lane, std::uint32_t call_hash, std::byte* dst, std::size_t bytes,
                        Stores stores) {
  const View view = in(lane).fetch(call_hash, dst, bytes, stores);
  if (!view.there) missed();
  return view;
}

void ShmEndpoint::advance(int lane, std::size_t bytes) { in(lane).advance(bytes); }

void ShmEndpoint::release(int lane) { in(lane).release(); }

bool ShmEndpoint::push() {
  bool moved = false;
  for (Outbox& outbox : out_) {
    if (!outbox.pending()) continue;
    moved |= outbox.push();
    if (outbox.pending()) {
      for (Outbox& other : out_) other.collect();  // what it waits for
      missed();
    } else {
      --counts_.pending;
    }
  }
  return moved;
}

bool ShmEndpoint::all_drained() {
  return std::all_of(out_.begin(), out_.end(), [](Outbox& outbox) { return outbox.drained(0); });
}

void ShmEndpoint::unclaim() {
  for (Inbox& inbox : in_) inbox.unclaim();
}

bool ShmEndpoint::claimed() const {
  return std::any_of(std::begin(link_.theirs->receipts), std::end(link_.theirs->receipts),
                     [](const Receipt& receipt) {
                       // acquire: partner is Inbox::unclaim(), after whose reads we go on. The
                       // caller has made a heavy fence: partner is the light one of Inbox::claim().
                       return receipt.claim.load(std::memory_order_acquire) != 0;
                     });
}

}  // namespace tutti

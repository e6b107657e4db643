#include "transport/shm/call_board.h"

#include <cstring>

namespace tutti {
namespace {

static_assert(sizeof(CallRecord) <= kCallWords * sizeof(std::uint64_t));

/// The k-th call begun, if its slot still holds it.
std::optional<CallRecord> read_call(const SegmentHeader& header, std::uint64_t k) {
  const CallSlot& slot = header.call_slots[k % kCallSlots];
  std::uint64_t words[kCallWords];
  for (std::size_t i = 0; i < kCallWords; ++i)
    words[i] = slot.words[i].load(std::memory_order_acquire);          // partner: publish_call()
  if (calls_begun(header) >= k + kCallSlots - 1) return std::nullopt;  // perhaps half overwritten
  CallRecord call;
  std::memcpy(&call, words, sizeof call);
  return call;
}

}  // namespace

void publish_call(SegmentHeader& header, const CallRecord& call) {
  const std::uint64_t k = header.calls.load(std::memory_order_relaxed) + 1;
  std::uint64_t words[kCallWords] = {};
  std::memcpy(words, &call, sizeof call);
  CallSlot& slot = header.call_slots[k % kCallSlots];
  // release: whoever sees one of these words sees, too, that the calls before it have begun, and so
  // that what its slot held is gone; partner: read_call()
  for (std::size_t i = 0; i < kCallWords; ++i)
    slot.words[i].store(words[i], std::memory_order_release);
  header.calls.store(k, std::memory_order_release);  // partner: calls_begun()
}

std::optional<CallRecord> last_call(const SegmentHeader& header) {
  const std::uint64_t k = calls_begun(header);
  return k == 0 ? std::nullopt : read_call(header, k);
}

std::optional<CallRecord> call_with_hash(const SegmentHeader& header, std::uint32_t hash) {
  const std::uint64_t newest = calls_begun(header);
  for (std::uint64_t k = newest; k > 0 && newest - k < kCallSlots - 1; --k) {
    const auto call = read_call(header, k);
    if (call && call->hash == hash) return call;
  }
  return last_call(header);
}

}  // namespace tutti

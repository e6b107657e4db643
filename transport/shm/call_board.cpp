#include "transport/shm/call_board.h"

namespace tutti {
namespace {

std::uint64_t pair(std::uint32_t high, std::uint32_t low) {
  return std::uint64_t{high} << 32 | low;
}
std::uint32_t high(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }
std::uint32_t low(std::uint64_t word) { return static_cast<std::uint32_t>(word); }

CallRecord unpack(const std::uint64_t (&words)[kCallWords]) {
  CallRecord call;
  call.sequence = words[0];
  call.count = words[1];
  call.op = words[2];
  call.collective = static_cast<std::int32_t>(high(words[3]));
  call.dtype = static_cast<std::int32_t>(low(words[3]));
  call.root = static_cast<std::int32_t>(high(words[4]));
  call.algorithm = low(words[4]);
  call.hash = low(words[5]);
  return call;
}

/// The k-th call begun, if its slot still holds it.
std::optional<CallRecord> read_call(const SegmentHeader& header, std::uint64_t k) {
  const CallSlot& slot = header.call_slots[k % kCallSlots];
  std::uint64_t words[kCallWords];
  for (std::size_t i = 0; i < kCallWords; ++i)
    words[i] = slot.words[i].load(std::memory_order_acquire);          // partner: publish_call()
  if (calls_begun(header) >= k + kCallSlots - 1) return std::nullopt;  // perhaps half overwritten
  return unpack(words);
}

}  // namespace

void publish_call(SegmentHeader& header, const CallRecord& call) {
  const std::uint64_t k = header.calls.load(std::memory_order_relaxed) + 1;
  // Field by field: a copy of the whole record would read what was just written in other pieces.
  const std::uint64_t words[kCallWords] = {
      call.sequence,
      call.count,
      call.op,
      pair(static_cast<std::uint32_t>(call.collective), static_cast<std::uint32_t>(call.dtype)),
      pair(static_cast<std::uint32_t>(call.root), call.algorithm),
      call.hash};
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

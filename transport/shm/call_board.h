// What each rank has called last, for the errors of its peers.
#pragma once

#include <cstdint>
#include <optional>

#include "transport/shm/layout.h"
#include "transport/transport.h"

namespace tutti {

/// Publishes the record of a call that begins: a few stores. Owner only.
void publish_call(SegmentHeader& header, const CallRecord& call);

/// Calls begun so far: a rank's progress. (A rank that has begun a call has finished those before.)
inline std::uint64_t calls_begun(const SegmentHeader& header) {
  return header.calls.load(std::memory_order_acquire);  // partner: publish_call()
}

/// The last call begun; none before the first, or if the owner is faster than the reader.
std::optional<CallRecord> last_call(const SegmentHeader& header);

/// The newest of the last kCallSlots calls that has this hash, else the last call.
std::optional<CallRecord> call_with_hash(const SegmentHeader& header, std::uint32_t hash);

}  // namespace tutti

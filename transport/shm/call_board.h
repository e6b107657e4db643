// What each rank has called last, for the errors of its peers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "transport/shm/layout.h"
#include "transport/transport.h"

namespace tutti {

/// Publishes the record of a call that begins: a few stores. Owner only, one thread at a time.
void publish_call(CallBoard& board, const CallRecord& call);

/// Calls begun so far: a rank's progress. (A rank that has begun a call has finished those before.)
inline std::uint64_t calls_begun(const CallBoard& board) {
  return board.calls.load(std::memory_order_acquire);  // partner: publish_call()
}

/// The last call begun; none before the first, or if the owner is faster than the reader.
std::optional<CallRecord> last_call(const CallBoard& board);

/// The k-th call, from 1; none if it has not begun, or long ago.
std::optional<CallRecord> call_number(const CallBoard& board, std::uint64_t k);

/// The newest of the last kCallSlots calls that has this hash, else the last call.
std::optional<CallRecord> call_with_hash(const CallBoard& board, std::uint32_t hash);

/// A rank of the world, and what it has called; none: not known.
struct RanksCall {
  int rank = 0;
  std::optional<CallRecord> call;
};
/// Tells that two ranks are in different calls.
std::string difference(const RanksCall& a, const RanksCall& b);
/// Tells of the first call that two ranks have made differently, as far as their boards reach back;
/// empty if they show none.
std::string first_difference(int a, const CallBoard& calls_of_a, int b,
                             const CallBoard& calls_of_b);

}  // namespace tutti

#include "transport/shm/call_board.h"

#include <algorithm>

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
  call.reproducible = high(words[5]) != 0;
  call.hash = low(words[5]);
  return call;
}

/// The k-th call begun, if its slot still holds it.
std::optional<CallRecord> read_call(const CallBoard& board, std::uint64_t k) {
  const CallSlot& slot = board.slots[k % kCallSlots];
  std::uint64_t words[kCallWords];
  for (std::size_t i = 0; i < kCallWords; ++i)
    words[i] = slot.words[i].load(std::memory_order_acquire);         // partner: publish_call()
  if (calls_begun(board) >= k + kCallSlots - 1) return std::nullopt;  // perhaps half overwritten
  return unpack(words);
}

std::string text_of(const RanksCall& one) {
  return "rank " + std::to_string(one.rank) + ": " +
         (one.call ? describe(*one.call) : "a call of its own");
}

}  // namespace

void publish_call(CallBoard& board, const CallRecord& call) {
  const std::uint64_t k = board.calls.load(std::memory_order_relaxed) + 1;
  // Field by field: a copy of the whole record would read what was just written in other pieces.
  const std::uint64_t words[kCallWords] = {
      call.sequence,
      call.count,
      call.op,
      pair(static_cast<std::uint32_t>(call.collective), static_cast<std::uint32_t>(call.dtype)),
      pair(static_cast<std::uint32_t>(call.root), call.algorithm),
      pair(call.reproducible, call.hash)};
  CallSlot& slot = board.slots[k % kCallSlots];
  // release: whoever sees one of these words sees, too, that the calls before it have begun, and so
  // that what its slot held is gone; partner: read_call()
  for (std::size_t i = 0; i < kCallWords; ++i)
    slot.words[i].store(words[i], std::memory_order_release);
  board.calls.store(k, std::memory_order_release);  // partner: calls_begun()
}

std::optional<CallRecord> last_call(const CallBoard& board) {
  const std::uint64_t k = calls_begun(board);
  return k == 0 ? std::nullopt : read_call(board, k);
}

std::optional<CallRecord> call_number(const CallBoard& board, std::uint64_t k) {
  if (k == 0 || k > calls_begun(board)) return std::nullopt;
  return read_call(board, k);
}

std::optional<CallRecord> call_with_hash(const CallBoard& board, std::uint32_t hash) {
  const std::uint64_t newest = calls_begun(board);
  for (std::uint64_t k = newest; k > 0 && newest - k < kCallSlots - 1; --k) {
    const auto call = read_call(board, k);
    if (call && call->hash == hash) return call;
  }
  return last_call(board);
}

std::string difference(const RanksCall& a, const RanksCall& b) {
  if (a.rank > b.rank) return difference(b, a);
  const bool alike = a.call && b.call && describe(*a.call) == describe(*b.call);
  const char* why = "";
  if (alike)
    why = a.call->algorithm != b.call->algorithm
              ? ", by another algorithm: TUTTI_ALGO or an option differs"
              : ", one with a request, the other without";
  return text_of(a) + ", but " + text_of(b) + why;
}

std::string first_difference(int a, const CallBoard& calls_of_a, int b,
                             const CallBoard& calls_of_b) {
  const std::uint64_t last = std::min(calls_begun(calls_of_a), calls_begun(calls_of_b));
  for (std::uint64_t k = last > kCallSlots ? last - kCallSlots : 1; k <= last; ++k) {
    const auto call_of_a = call_number(calls_of_a, k), call_of_b = call_number(calls_of_b, k);
    if (call_of_a && call_of_b && call_of_a->hash != call_of_b->hash)
      return difference({a, call_of_a}, {b, call_of_b});
  }
  return "";
}

}  // namespace tutti

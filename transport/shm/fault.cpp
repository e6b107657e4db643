#include "transport/shm/fault.h"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "transport/shm/call_board.h"
#include "transport/transport.h"

namespace tutti {

std::uint64_t Fault::pack() const {
  return static_cast<std::uint64_t>(static_cast<std::uint8_t>(status)) << 56 |
         static_cast<std::uint64_t>(static_cast<std::uint16_t>(reporter));
}

Fault Fault::unpack(std::uint64_t word) {
  Fault fault;
  fault.status = static_cast<tutti_status>(word >> 56);
  if (fault.status <= TUTTI_OK || fault.status > TUTTI_OP_FAILED) fault.status = TUTTI_INTERNAL;
  fault.reporter = static_cast<int>(word & 0xffff);
  return fault;
}

void FaultBoard::report(tutti_status status, std::string_view text) {
  const std::lock_guard lock(report_.mutex);
  if (poisoned() || report_.made) return;
  report_.made = true;
  SegmentHeader& header = own_.header();
  const std::size_t length = std::min(text.size(), kFaultTextBytes - 1);
  std::memcpy(header.fault_text, text.data(), length);
  header.fault_text[length] = '\0';
  const Fault fault{status, rank_};
  std::uint64_t none = 0;
  // A reader claims memory, then looks here; the order of the two: ShmTransport::await_readers().
  if (!control_.header().fault.compare_exchange_strong(none, fault.pack())) return;
  for (int rank = 0; rank < header.size; ++rank) ring(control_.of(rank));
}

std::string FaultBoard::text_of(const Fault& fault) const {
  const SegmentHeader* header = nullptr;
  if (fault.reporter == rank_) {
    header = &own_.header();
  } else if (static_cast<std::size_t>(fault.reporter) < peers_.size()) {
    header = &peers_[static_cast<std::size_t>(fault.reporter)]->header();
  } else {
    return "the fault record is damaged";
  }
  std::string text(header->fault_text, strnlen(header->fault_text, kFaultTextBytes));
  for (char& c : text)
    if (std::iscntrl(static_cast<unsigned char>(c)) != 0) c = '?';
  return text;
}

Error FaultBoard::error() const {
  const Fault fault =
      Fault::unpack(control_.header().fault.load(std::memory_order_acquire));  // partner: report()
  const std::string text = text_of(fault);
  if (fault.status == TUTTI_MISMATCH) return {fault.status, text};  // names both ranks
  std::string where = "rank " + std::to_string(rank_) + ": ";
  if (const auto call = call_number(board_, call_)) where += describe(*call) + ": ";
  if (fault.status != TUTTI_PEER_FAILED && fault.reporter != rank_)
    where += "rank " + std::to_string(fault.reporter) + " gave up: ";
  return {fault.status, where + text};
}

void FaultBoard::raise() const { throw error(); }

}  // namespace tutti

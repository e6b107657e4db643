// The one fault of a world: the first that any rank reports. Every rank fails with the same one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/error.h"
#include "transport/shm/control.h"
#include "transport/shm/segment.h"

namespace tutti {

/// The record in the control file. The text that goes with it stands in the reporter's segment.
struct Fault {
  tutti_status status = TUTTI_OK;
  int reporter = 0;

  std::uint64_t pack() const;
  /// Any 64 bits give a fault with a status that is an error.
  static Fault unpack(std::uint64_t word);
};

/// This rank's access to the record. One thread at a time, except poisoned().
class FaultBoard {
 public:
  FaultBoard(int rank, Control& control, OwnSegment& own,
             const std::vector<std::unique_ptr<PeerSegment>>& peers)
      : rank_(rank), control_(control), own_(own), peers_(peers) {}

  bool poisoned() const {
    // acquire: partner is report(), whose text and record must be seen
    return control_.header().fault.load(std::memory_order_acquire) != 0;
  }

  /// Makes this the world's fault, if there is none yet, and wakes everybody. `text` says what
  /// happened, without naming this rank or its call.
  void report(tutti_status status, std::string_view text);

  /// Throws the world's fault as this rank's error.
  [[noreturn]] void raise() const;

  [[noreturn]] void fail(tutti_status status, std::string_view text) {
    report(status, text);
    raise();
  }

 private:
  std::string text_of(const Fault& fault) const;

  int rank_;
  Control& control_;
  OwnSegment& own_;
  const std::vector<std::unique_ptr<PeerSegment>>& peers_;  // by rank; own: null
  bool reported_ = false;
};

}  // namespace tutti

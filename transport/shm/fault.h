// The one fault of a world: the first that any rank reports. Every rank fails with the same one.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
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

/// What the channels of a rank have in common about faults.
struct FaultReport {
  std::mutex mutex;
  bool made = false;  // guarded by mutex: the text of this rank's report is written only once
};

/// A channel's access to the record. One thread at a time, except poisoned().
class FaultBoard {
 public:
  /// `board`: where the owner's calls stand, one of which, *call (0: none), this channel runs.
  FaultBoard(int rank, Control& control, OwnSegment& own,
             const std::vector<std::unique_ptr<PeerSegment>>& peers, FaultReport& report,
             const CallBoard& board, const std::uint64_t& call)
      : rank_(rank),
        control_(control),
        own_(own),
        peers_(peers),
        report_(report),
        board_(board),
        call_(call) {}

  bool poisoned() const {
    // acquire: partner is report(), whose text and record must be seen
    return control_.header().fault.load(std::memory_order_acquire) != 0;
  }

  /// Makes this the world's fault, if there is none yet, and wakes everybody. `text` says what
  /// happened, without naming this rank or its call.
  void report(tutti_status status, std::string_view text);

  /// Throws the world's fault as this rank's error.
  [[noreturn]] void raise() const;
  /// What raise() throws.
  Error error() const;

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
  FaultReport& report_;
  const CallBoard& board_;
  const std::uint64_t& call_;
};

}  // namespace tutti

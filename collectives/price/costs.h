// What single steps cost, in bytes and seconds: the coefficients applied to one call.
#pragma once

#include <cstddef>
#include <span>

#include "collectives/price.h"

namespace tutti {

/// Where a working set lies: shares that add up to one.
struct Residence {
  double l2 = 1, l3 = 0, dram = 0;
};

/// A working set of `rank_bytes` on each of `ranks` ranks. A cache that is read in a circle loses
/// its hits soon after it overflows: all of them fit up to its size, none from twice its size.
Residence residence(double rank_bytes, int ranks, const Coefficients& coefficients);

/// Seconds, and the bytes among them that go over the memory bus.
struct Cost {
  double seconds = 0, dram_bytes = 0;

  Cost& operator+=(const Cost& other) {
    seconds += other.seconds;
    dram_bytes += other.dram_bytes;
    return *this;
  }
};

class StepCosts {
 public:
  /// Of a call that is cut into `tiles`; of its plans only the sizes of buffers count.
  StepCosts(const Load& load, std::span<const Plan> plans, std::uint32_t tiles,
            const Conditions& conditions, const Coefficients& coefficients);

  /// How a message of `bytes` from that buffer crosses.
  Access access(Buffer from, std::size_t bytes) const;

  /// Announcing a message. `again`: the same bytes were sent just before.
  Cost post(Buffer from, std::size_t bytes, bool again) const;
  /// Taking a message. `since`: bytes that its sender touched since it announced it. `lands`: not a
  /// pure move, so that cross-memory bytes pass through a buffer.
  Cost pull(Buffer from, std::size_t bytes, std::size_t since, bool lands) const;
  /// What a step does with its operands once they can be read: `bytes` of each of `operands`, of
  /// which `local` are read from this rank's `from`, combined into `to`.
  Cost combine(Buffer from, std::size_t local, std::size_t operands, Buffer to,
               std::size_t bytes) const;
  /// Whether a move of this message is complete with its pull.
  bool pull_writes(Buffer from, std::size_t bytes) const {
    return access(from, bytes) == Access::kCrossMemory;
  }

 private:
  Cost bytes_cost(const PerByte& cost, const Residence& where, double bytes) const;
  const Residence& where(Buffer buffer) const { return buffer == Buffer::kScratch ? tile_ : call_; }

  Conditions conditions_;
  const Coefficients& coefficients_;
  double combine_s_per_byte_;
  int ranks_;
  Residence call_;  // of whole vectors, which each call walks through once
  Residence tile_;  // of scratch, which each tile walks through
};

}  // namespace tutti

// The reader that predicts: it walks the plans of all ranks in virtual time.
//
// Coefficients belong to kinds of step and kinds of access, never to an algorithm: a new generator
// is priced without a line here. The result depends only on what all ranks know, so every rank
// computes the same number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "collectives/geometry.h"
#include "collectives/plan.h"
#include "kernels/dtype.h"
#include "transport/transport.h"

namespace tutti {

/// How the bytes of a message reach their receiver.
enum class Access : std::uint8_t {
  kInline,       // in the line that announces them
  kStaged,       // the sender copies them into shared slots
  kStreamed,     // the same with stores past the cache, where cores are far
  kMapped,       // the receiver reads the sender's memory directly
  kCrossMemory,  // the receiver asks the kernel to copy them (process_vm_readv)
};

/// Seconds per byte, by where the bytes lie.
struct PerByte {
  double l2 = 0, l3 = 0, dram = 0;
};

/// What things cost. The defaults are shipped: a machine with two Zen 4 cores that share an L3, on
/// 4 KiB pages. docs/decisions/0004-price.md says how they were fitted, and how well they do.
struct Coefficients {
  bool far = false;  // the cores share no cache

  // Events, in seconds.
  double call_s = 40e-9;         // entering and leaving a call
  double step_s = 12e-9;         // any step of a plan
  double round_s = 2e-9;         // going round a loop, or out of it
  double reduce_s = 40e-9;       // beginning to combine or move operands
  double post_s = 15e-9;         // announcing a message
  double pull_s = 10e-9;         // taking one message and giving its place back
  double view_s = 75e-9;         // beginning to read one that did not come with its announcement
  double line_s = 30e-9;         // until another core sees a line just written
  double cross_call_s = 150e-9;  // one system call that reads another process
  double switch_s = 1.45e-6;     // giving the core to another rank

  // Bytes that move.
  PerByte read{12e-12, 16e-12, 25e-12};         // one's own memory
  PerByte write{14e-12, 14e-12, 50e-12};        // the destination of a step
  PerByte peer_read{20e-12, 24e-12, 60e-12};    // memory that a peer has written
  PerByte cross_read{90e-12, 90e-12, 240e-12};  // the same through the kernel, its write included
  PerByte stage{60e-12, 60e-12, 60e-12};        // copying into shared slots
  PerByte stream{40e-12, 40e-12, 50e-12};       // the same past the cache
  // Lines that a peer has read must be won back before they are written again. Charged when written
  // memory is sent, since its owner will write it again.
  PerByte reclaim{60e-12, 5e-12, 0};
  double dram_s_per_byte = 22e-12;  // the memory bus, shared by all cores: a floor under everything

  // Arithmetic, in seconds per source byte: a reduction takes the longer of this and its bytes.
  std::array<double, kDtypes> combine_s_per_byte = {
      10e-12, 10e-12, 4e-12, 4e-12,  5e-12,   5e-12,    // i8 u8 i32 u32 i64 u64
      30e-12, 4e-12,  4e-12, 20e-12, 300e-12, 300e-12,  // f16 f32 f64 bf16 f8e4m3 f8e5m2
      10e-12, 10e-12,                                   // f32_i32 f64_i32
  };

  // Caches.
  double l2_bytes = 1 << 20;   // of a core
  double l3_bytes = 24 << 20;  // shared by all ranks: of 32 MiB, other guests take some
};

/// Under which circumstances a plan runs; the same on all ranks of a communicator.
struct Conditions {
  Caps caps;                // more ranks than CPUs take turns
  bool registered = false;  // every buffer is: read where it lies, as scratch always is
  std::size_t tile_bytes = kTileBytes;
};

/// What a call may meet and no rank can know for all: where the ranks' cores are, and what memory
/// the callers pass.
struct Regime {
  std::string_view name;
  Coefficients coefficients;
  bool registered = false;  // as in Conditions
};

/// Cores that share a cache (near) or, since a hypervisor may move them, do not (far: each sees the
/// other's lines several times later); pageable memory or registered. The first is what predictions
/// are printed for, and for many ranks the only one, since pricing these takes long.
std::span<const Regime> shipped_regimes(int ranks);

/// The part of a call that a price depends on.
struct Load {
  std::size_t count = 0;
  Dtype dtype = Dtype::kF32;
};

/// Seconds per call of back-to-back calls, the maximum over the ranks. `plans` are those of ranks
/// 0 … n-1, in order, which must match each other (the verifier's business); else the result is
/// infinity. Costs O(messages of four tiles, two calls).
double price(std::span<const Plan> plans, const Load& load, const Conditions& conditions,
             const Coefficients& coefficients = {});

/// A price, taken apart; the parts add up to it.
struct PriceParts {
  double latency_s = 0;    // what would remain if bytes were free and every rank had a core
  double movement_s = 0;   // bringing bytes from rank to rank
  double reduction_s = 0;  // reading operands, combining, and storing results
  double sharing_s = 0;    // ranks taking turns on too few cores
  double total() const { return latency_s + movement_s + reduction_s + sharing_s; }
};
PriceParts price_parts(std::span<const Plan> plans, const Load& load, const Conditions& conditions,
                       const Coefficients& coefficients = {});

}  // namespace tutti

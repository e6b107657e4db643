// A plan bound to a call: what all repetitions of that call share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "collectives/algorithms.h"
#include "collectives/geometry.h"
#include "collectives/ops.h"
#include "kernels/reduce.h"
#include "transport/transport.h"

namespace tutti {

/// A call as all ranks make it, and how this rank's buffers lie. Small: compared on every call.
struct CallKey {
  Collective collective = Collective::kAllReduce;
  Dtype dtype = Dtype::kF32;
  bool in_place = false;
  std::int32_t root = 0;
  std::size_t count = 0;
  tutti_op op = TUTTI_SUM;
  bool reproducible = false;  // only where something is reduced

  friend bool operator==(const CallKey&, const CallKey&) = default;
};

/// Immutable. Holds no pointers to user memory; a Run (execute.h) adds those.
struct Launch {
  CallKey key;
  std::string forced;  // the algorithm that the caller named; empty: chosen
  Plan plan;
  Geometry geometry;
  std::size_t element_bytes = 1;
  ReduceKernel fold = nullptr, balanced = nullptr;
  OpFunction function;  // combines instead, where there is one
  ScaleKernel scale = nullptr;
  std::uint64_t scalar = 0;
  Finish finish;
  Stores output_stores = Stores::kCached;  // of what moves to the output, or is combined there
  CallRecord record;                       // all but its sequence
};

/// The hash that the messages of a launch's call carry when it is the communicator's call number
/// `sequence`: a rank that has left a call out takes no message of it for the next one's. Of one
/// launch, all 2³² turns differ.
constexpr std::uint32_t hash_of_turn(std::uint32_t hash, std::uint64_t sequence) {
  return hash ^ static_cast<std::uint32_t>(sequence * 0x9e3779b1);
}

/// The same of a call that its ranks do not wait for at once: it runs elsewhere.
constexpr std::uint32_t hash_of_request_turn(std::uint32_t hash, std::uint64_t sequence) {
  return ~hash_of_turn(hash, sequence);
}

/// Binds `variant` to a call on a transport. `forced`: the name that the caller gave, or empty.
std::unique_ptr<const Launch> make_launch(const CallKey& key, const ReduceOp& op,
                                          const Variant& variant, std::string forced,
                                          const Transport& transport);

}  // namespace tutti

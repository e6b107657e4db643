// Proves a collective: takes the plans of all ranks and follows them, once, without any data.
//
// What is proven, for one count and one trip count:
//  - exactly once: every element of every output holds each rank's input once (or, where nothing is
//    reduced, the root's), told by sums of random 128-bit fingerprints (false with probability
//    2⁻¹²⁸);
//  - same bits: on all ranks the operands combine in the same tree, rounding points included;
//  - scaling: the op's scaling before and after happens exactly once on every element;
//  - no deadlock, with room for one post per (edge, lane). A plan is a marked graph, so one
//    execution stands for all, and more room can only unblock;
//  - no race: nothing is written between a send and its drain, and the lanes of a rank touch the
//    same memory only in an order that their tokens force;
//  - form: sizes of sends and receives match, no message and no token is left over, refs lie within
//    their buffers, inputs stay intact out of place, labels (in_order, canonical, moves_only) are
//    true;
//  - a barrier's end depends on every rank's begin.
//
// Buffers are cut at the union of all chunk boundaries into atoms, so the work is that of the
// steps, not of the elements.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "collectives/algorithms.h"
#include "collectives/plan.h"

namespace tutti {

/// What the plans are said to do, all together.
struct Claim {
  Collective collective = Collective::kAllReduce;
  int root = 0;
  std::size_t count = 0;  // at most kMaxVerifiedCount
  std::uint32_t trips = 1;
  bool pre_scaled = false;
};

inline constexpr std::size_t kMaxVerifiedCount = std::size_t{1} << 22;
inline constexpr std::size_t kMaxVerifiedRanks = 4096;

struct Verdict {
  std::string fault;  // names rank, step, chunk and rule; empty: proven
  std::uint64_t messages = 0;
  // How the operands of all results combine, whatever the plans say; both only of what is reduced.
  bool in_order = true;   // in rank order
  bool canonical = true;  // in the tree of reproducible mode

  bool ok() const { return fault.empty(); }
};

/// plans[r] is rank r's. Throws TUTTI_INVALID for a claim that is too large or names no rank as
/// root; whatever is wrong with the plans is in the verdict.
Verdict verify(std::span<const Plan> plans, const Claim& claim);

/// "step 4 (send out[2] to rank 1)", for people. The loop variables give its peers and chunks.
std::string describe_step(const Plan& plan, std::uint32_t index, const LoopVars& vars);

}  // namespace tutti

#include "collectives/verify.h"

#include "collectives/verify/atoms.h"
#include "collectives/verify/broken_rule.h"
#include "collectives/verify/form.h"
#include "collectives/verify/machine.h"
#include "kernels/error.h"

namespace tutti {
namespace {

using proof::Atoms;
using proof::BrokenRule;
using proof::Fingerprint;
using proof::Machine;
using proof::State;
using proof::Value;

void check_claim(std::size_t size, const Claim& claim) {
  const auto require = [](bool holds, const std::string& text) {
    if (!holds) throw Error(TUTTI_INVALID, "verify: " + text);
  };
  require(size > 0 && size <= kMaxVerifiedRanks, std::to_string(size) + " ranks; 1 to " +
                                                     std::to_string(kMaxVerifiedRanks) +
                                                     " can be verified");
  require(claim.count <= kMaxVerifiedCount, std::to_string(claim.count) + " elements; at most " +
                                                std::to_string(kMaxVerifiedCount) +
                                                " can be verified");
  require(claim.trips > 0, "0 trips");
  require(claim.root >= 0 && static_cast<std::size_t>(claim.root) < size,
          "no rank " + std::to_string(claim.root) + " to be the root");
}

// What is wrong with the set of inputs in a sum, in words.
std::string wrong_inputs(const Fingerprint& sum, const Fingerprint& wanted, std::size_t size) {
  for (std::uint32_t r = 0; r < size; ++r) {
    const Fingerprint one = proof::fingerprint_of(r);
    if (sum + one == wanted) return "lacks rank " + std::to_string(r) + "'s input";
    if (sum == wanted + one) return "holds rank " + std::to_string(r) + "'s input twice";
    if (sum == one) return "holds rank " + std::to_string(r) + "'s input and nothing else";
  }
  return "holds other inputs than it should";
}

class Outcome {
 public:
  Outcome(std::span<const Plan> plans, const Claim& claim, const Atoms& atoms, const Machine& done)
      : plans_(plans), claim_(claim), atoms_(atoms), done_(done) {
    const auto ranks = static_cast<std::uint32_t>(plans.size());
    for (std::uint32_t r = 0; r < ranks; ++r) all_ = all_ + proof::fingerprint_of(r);
    canonical_bits_ = proof::canonical_value(ranks, claim.pre_scaled).bits;
  }

  /// Throws BrokenRule.
  Verdict check() {
    for (std::uint32_t r = 0; r < plans_.size(); ++r) {
      if (claim_.collective == Collective::kBarrier) check_begun(r);
      for (std::uint32_t block = 0; block < plans_[r].output_blocks; ++block) {
        for (std::uint32_t atom = 0; atom < atoms_.in_block(); ++atom) check_atom(r, block, atom);
      }
    }
    return {"", done_.messages(), in_order_, canonical_};
  }

 private:
  // Whose input a block of an output is, and which block of it. All ranks' where reduced.
  struct Origin {
    std::uint32_t rank, block;
  };
  Origin origin(std::uint32_t r, std::uint32_t block) const {
    const auto root = static_cast<std::uint32_t>(claim_.root);
    switch (claim_.collective) {
      case Collective::kBroadcast:
        return {root, 0};
      case Collective::kReduceScatter:
        return {r, r};
      case Collective::kAllGather:
      case Collective::kGather:
        return {block, 0};
      case Collective::kScatter:
        return {root, r};
      case Collective::kAllToAll:
        return {block, r};
      case Collective::kAllReduce:
      case Collective::kReduce:
      case Collective::kBarrier:
      case Collective::kScan:
      case Collective::kExclusiveScan:
        break;
    }
    return {r, 0};
  }

  /// What a sum on rank r must hold.
  Fingerprint inputs_of(std::uint32_t r) const {
    const Scan scan = traits_of(claim_.collective).scan;
    if (scan == Scan::kNone) return all_;
    Fingerprint sum;
    for (std::uint32_t other = 0; other < r; ++other) sum = sum + proof::fingerprint_of(other);
    return scan == Scan::kInclusive ? sum + proof::fingerprint_of(r) : sum;
  }

  void check_atom(std::uint32_t r, std::uint32_t block, std::uint32_t atom) {
    const Value v = done_.memory(r).load(block * atoms_.in_block() + atom);
    const std::size_t element = block * claim_.count + atoms_.begin(atom);
    const auto require = [&](bool holds, const std::string& rule) {
      if (!holds)
        throw BrokenRule("rank " + std::to_string(r) + ", output: element " +
                         std::to_string(element) + " " + rule);
    };
    const Origin from = origin(r, block);
    const bool reduces = traits_of(claim_.collective).reduces;
    const Scan scan = traits_of(claim_.collective).scan;
    if (scan == Scan::kExclusive && r == 0) return;  // it has no result
    const Fingerprint wanted = reduces ? inputs_of(r) : proof::fingerprint_of(from.rank);
    require(v.state != State::kNothing, "was never written");
    require(v.element == from.block * claim_.count + atoms_.begin(atom),
            "holds element " + std::to_string(v.element));
    if (!(v.sum == wanted)) require(false, wrong_inputs(v.sum, wanted, plans_.size()));
    if (!reduces) return;
    if (scan == Scan::kNone)
      require(v.state == State::kFinal, "was never finished (the op's scaling after is missing)");
    else
      require(v.state == State::kPartial || (v.state == State::kRaw && !claim_.pre_scaled),
              "was finished, or not scaled before");
    require(
        claim_.collective != Collective::kAllReduce || v.bits == done_.memory(0).load(atom).bits,
        "may have other bits than on rank 0: the operands combine differently");
    require(v.in_order() || !plans_[r].in_order,
            "is not combined in rank order, and the plan says that it is");
    const bool canonical = v.bits == canonical_bits_;
    require(canonical || !plans_[r].canonical,
            "is not combined in the canonical tree, and the plan says that it is");
    in_order_ &= v.in_order();
    canonical_ &= canonical;
  }

  // The barrier: whatever lane ends last knows of every rank's begin.
  void check_begun(std::uint32_t r) const {
    for (std::uint32_t other = 0; other < plans_.size(); ++other) {
      bool begun = false;
      for (int lane = 0; lane < plans_[r].lanes(); ++lane)
        begun |= (done_.memory(r).knowledge(lane).begun[other / 64] >> (other % 64) & 1) != 0;
      if (!begun)
        throw BrokenRule("rank " + std::to_string(r) + ": may leave the barrier before rank " +
                         std::to_string(other) + " enters it");
    }
  }

  const std::span<const Plan> plans_;
  const Claim& claim_;
  const Atoms& atoms_;
  const Machine& done_;
  Fingerprint all_;
  std::uint64_t canonical_bits_ = 0;
  bool in_order_ = true, canonical_ = true;
};

Verdict follow(std::span<const Plan> plans, const Claim& claim, bool by_element) {
  const Atoms atoms(plans, claim.count, claim.trips, by_element);
  Machine machine(plans, claim, atoms);
  machine.run();
  return Outcome(plans, claim, atoms, machine).check();
}

}  // namespace

Verdict verify(std::span<const Plan> plans, const Claim& claim) {
  check_claim(plans.size(), claim);
  try {
    proof::check_form(plans, claim);
    try {
      return follow(plans, claim, false);
    } catch (const proof::NotWholeAtoms&) {
      return follow(plans, claim, true);
    }
  } catch (const BrokenRule& broken) {
    return {broken.what(), 0, false, false};
  }
}

}  // namespace tutti

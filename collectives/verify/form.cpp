#include "collectives/verify/form.h"

#include <algorithm>
#include <string>
#include <vector>

#include "collectives/hash.h"
#include "collectives/verify/broken_rule.h"

namespace tutti::proof {
namespace {

class Form {
 public:
  explicit Form(const Plan& plan) : plan_(plan) {}

  void check() {
    require(plan_.hash == hash_of(plan_), "was changed after it was built (its hash is another)");
    require(!plan_.grids.empty() && !plan_.maps.empty() && plan_.maps[0].empty(),
            "has no grid or no map 0");
    for (const Grid& g : plan_.grids) require(g.chunks > 0, "has a grid of no chunks");
    require(plan_.tile_blocks > 0, "has tiles of no blocks");
    for (const auto& map : plan_.maps) {
      for (const std::uint32_t r : map) require(r < plan_.size, "has a map with an unknown rank");
    }
    require(plan_.lane_begin.size() >= 2 && plan_.lanes() <= kMaxLanes &&
                plan_.lane_begin.front() == 0 && plan_.lane_begin.back() == plan_.steps.size() &&
                std::is_sorted(plan_.lane_begin.begin(), plan_.lane_begin.end()),
            "has lanes that do not divide its steps");
    for (std::size_t l = 0; l + 1 < plan_.lane_begin.size(); ++l) check_lane(l);
  }

 private:
  void require(bool holds, const char* rule) const {
    if (holds) return;
    std::string at = index_ < plan_.steps.size() ? ", step " + std::to_string(index_) : "";
    throw BrokenRule("rank " + std::to_string(plan_.rank) + at + ": " + rule);
  }

  void check_lane(std::size_t lane) {
    std::vector<std::uint32_t> open;  // loops, the innermost last
    for (index_ = plan_.lane_begin[lane]; index_ < plan_.lane_begin[lane + 1]; ++index_) {
      const Step& s = plan_.steps[index_];
      if (s.op == Step::Op::kLoop || s.op == Step::Op::kTiles) {
        require(s.op == Step::Op::kTiles ? s.depth == 0 : s.depth >= 1 && s.depth <= 2,
                "is a loop of a wrong depth");
        require(open.empty() ? s.depth <= 1 : s.depth == plan_.steps[open.back()].depth + 1,
                "is a loop that does not nest");
        require(s.op == Step::Op::kTiles || s.trips > 0, "is a loop of no trips");
        open.push_back(index_);
      } else if (s.op == Step::Op::kEnd) {
        require(!open.empty() && open.back() == s.jump && plan_.steps[s.jump].depth == s.depth,
                "ends another loop than the innermost");
        open.pop_back();
      } else {
        check_step(s, lane);
      }
    }
    index_ = plan_.lane_begin[lane + 1];
    require(open.empty(), "ends within a loop");
  }

  void check_step(const Step& s, std::size_t lane) {
    const bool token = s.op == Step::Op::kSignal || s.op == Step::Op::kWait;
    if (token || s.op == Step::Op::kDrain)
      require(s.lane < plan_.lanes(), "names a lane that does not exist");
    if (token) require(s.lane != lane, "gives a token to its own lane");
    if (s.op == Step::Op::kSend || s.op == Step::Op::kDrain) check_peer(s.peer);
    if (s.op == Step::Op::kSend) check_ref(s.ref);
    if (s.op == Step::Op::kReduce || s.op == Step::Op::kScale) check_reduce(s);
  }

  void check_reduce(const Step& s) {
    check_ref(s.ref);
    require(s.ref.buffer != Buffer::kInput || s.ref.total == 0, "writes the input");
    require(s.operand_count > 0 && s.operand_begin <= plan_.operands.size() &&
                s.operand_count <= plan_.operands.size() - s.operand_begin,
            "has no operands, or some that do not exist");
    std::uint64_t sources = 0;
    for (const Operand& o : plan_.operands_of(s)) {
      const bool many = o.kind == Operand::Kind::kPeers || o.kind == Operand::Kind::kSlots;
      if (o.kind != Operand::Kind::kLocal) check_peer(o.peer);
      if (o.kind != Operand::Kind::kPeer) check_ref(o.ref);
      if (o.kind == Operand::Kind::kSlots)
        require(plan_.scratch_slots >= plan_.size, "reads a scratch slot of every rank");
      if (many) require(o.count > 0, "has an operand of no members");
      sources += many ? o.count : 1;
    }
    if (s.op == Step::Op::kScale)
      require(sources == 1 && plan_.operands_of(s)[0].kind == Operand::Kind::kLocal,
              "scales something else than one local operand");
    if (plan_.moves_only)
      require(sources == 1 && !s.finish && s.op == Step::Op::kReduce,
              "does arithmetic, and the plan says that it only moves");
  }

  void check_peer(const Peer& peer) const {
    require(peer.map < plan_.maps.size() && (peer.map == 0 || !plan_.maps[peer.map].empty()),
            "names a peer in a map that does not exist");
  }

  void check_ref(const Ref& ref) const {
    require(ref.grid < plan_.grids.size(), "names a grid that does not exist");
    if (ref.total == 0) return;
    const Grid& grid = plan_.grids[ref.grid];
    const std::uint32_t cut = grid.nesting == Nesting::kTileMajor ? 1 : grid.chunks;
    require(ref.buffer == Buffer::kScratch ||
                cut == (ref.buffer == Buffer::kInput ? plan_.input_blocks : plan_.output_blocks),
            "names a buffer by a grid of another number of blocks");
    require(ref.total <= plan_.grids[ref.grid].chunks && (ref.run > 0 || ref.total == 0),
            "names more chunks than there are");
    require(ref.buffer != Buffer::kScratch || plan_.scratch_slots > 0,
            "uses scratch, and the plan has none");
  }

  const Plan& plan_;
  std::uint32_t index_ = UINT32_MAX;  // of the step that is being checked
};

void check_agreement(const Plan& p, const Plan& first, std::size_t rank, std::size_t size,
                     const Claim& claim) {
  const auto require = [&](bool holds, const char* rule) {
    if (!holds) throw BrokenRule("rank " + std::to_string(rank) + ": " + rule);
  };
  require(p.rank == rank && p.size == size, "has the plan of another rank or size");
  const CollectiveTraits& traits = traits_of(claim.collective);
  const int n = static_cast<int>(size), r = static_cast<int>(rank);
  require(p.input_blocks == static_cast<std::uint32_t>(traits.input_blocks(n, r, claim.root)) &&
              p.output_blocks == static_cast<std::uint32_t>(traits.output_blocks(n, r, claim.root)),
          "its buffers have other blocks than the collective's");
  require(p.in_order == first.in_order && p.canonical == first.canonical &&
              p.moves_only == first.moves_only,
          "its labels (in_order, canonical, moves_only) differ from rank 0's");
  const auto most = [](const Plan& plan) {
    std::uint32_t chunks = 1;
    for (const Grid& g : plan.grids)
      if (g.nesting == Nesting::kTileMajor) chunks = std::max(chunks, g.chunks);
    return chunks;
  };
  require(p.scratch_slots == first.scratch_slots && p.tile_blocks == first.tile_blocks &&
              most(p) == most(first),
          "its scratch, its tiles or its chunks differ from rank 0's, so the trip counts would");
}

}  // namespace

void check_form(std::span<const Plan> plans, const Claim& claim) {
  for (const Plan& p : plans) Form(p).check();
  for (std::size_t r = 0; r < plans.size(); ++r)
    check_agreement(plans[r], plans[0], r, plans.size(), claim);
  if (!traits_of(claim.collective).reduces && !plans[0].moves_only)
    throw BrokenRule("the plans do arithmetic in a collective that only moves");
}

}  // namespace tutti::proof

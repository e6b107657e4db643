#include "collectives/hash.h"

#include "collectives/plan.h"

namespace tutti {
namespace {

struct Hasher {
  std::uint64_t value = 0;

  template <typename... Words>
  void add(Words... words) {
    ((value = mix(value, static_cast<std::uint64_t>(words))), ...);
  }
  void add_expr(const Expr& e) { add(e.a, e.b, e.c); }
  void add_peer(const Peer& p) {
    add_expr(p.index);
    add(p.map);
  }
  void add_ref(const Ref& r) {
    add(r.buffer, r.grid, r.run, r.stride, r.total);
    add_expr(r.slot);
    add_expr(r.first);
  }
};

}  // namespace

std::uint64_t hash_of(const Plan& plan) {
  Hasher h;
  h.add(plan.rank, plan.size, plan.scratch_slots);
  h.add(plan.input_blocks, plan.output_blocks, plan.tile_blocks);
  h.add(plan.in_order, plan.canonical, plan.moves_only, plan.in_place);
  for (const Grid& g : plan.grids) h.add(g.chunks, g.nesting);
  for (const auto& map : plan.maps) {
    h.add(map.size());
    for (const std::uint32_t rank : map) h.add(rank);
  }
  for (const Step& s : plan.steps) {
    h.add(s.op, s.finish, s.shape, s.lane, s.depth, s.lag, s.trips, s.jump);
    h.add(s.operand_begin, s.operand_count);
    h.add_peer(s.peer);
    h.add_ref(s.ref);
  }
  for (const Operand& o : plan.operands) {
    h.add(o.kind, o.count);
    h.add_ref(o.ref);
    h.add_peer(o.peer);
  }
  for (const std::uint32_t begin : plan.lane_begin) h.add(begin);
  return h.value;
}

}  // namespace tutti

// Direct: every rank offers each other one that one's block, and adds up its own block from all
// ranks in one pass over their memory, in rank order.
//
// Cost: α + (n-1)·o + f·b·β + f·b·γ, b being the whole vector.  Wins: where all ranks reach each
// other alike, at any size.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan reduce_scatter_direct(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape);
  b.canonical();
  b.tiles([&] {
    b.peers([&](Expr peer) { b.send(peer, b.in(peer)); });
    b.reduce(b.out(0), {b.from_all(b.in(shape.rank))}).finish = true;
  });
  return b.finish();
}

}  // namespace tutti

// Flat: every rank offers its block to the root, which takes them one after the other.
//
// Cost: α + (n-1)·o + f·b·β on the root, b being the whole vector.  Wins: large blocks, and where
// all ranks reach each other alike.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan gather_flat(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape);
  b.moves_only();
  b.tiles([&] {
    if (!shape.is_root()) {
      b.send(shape.root, b.in(0));
      return;
    }
    if (!shape.in_place) b.copy(b.out(shape.rank), b.in(0));
    b.peers([&](Expr peer) { b.recv(peer, b.out(peer)); });
  });
  return b.finish();
}

}  // namespace tutti

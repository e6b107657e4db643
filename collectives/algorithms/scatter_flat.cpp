// Flat: the root offers every rank its block.
//
// Cost: α + (n-1)·o + f·b·β on the root, b being the whole vector.  Wins: large blocks, and where
// all ranks reach each other alike.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan scatter_flat(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape);
  b.moves_only();
  b.tiles([&] {
    if (!shape.is_root()) {
      b.recv(shape.root, b.out(0));
      return;
    }
    b.peers([&](Expr peer) { b.send(peer, b.in(peer)); });
    if (!shape.in_place) b.copy(b.out(0), b.in(shape.rank));
  });
  return b.finish();
}

}  // namespace tutti

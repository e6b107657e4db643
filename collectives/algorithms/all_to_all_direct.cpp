// Direct: every rank offers each other one its block, all at once, then takes what the others
// offer, beginning with its neighbours so that no rank is read by all at once.
//
// Cost: α + (n-1)·o + f·b·β, b being a rank's whole vector.  Wins: where all ranks reach each other
// alike, at any size.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan all_to_all_direct(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape);
  const Expr r = shape.rank;
  b.moves_only();
  b.tiles([&] {
    b.peers([&](Expr peer) { b.send(peer, b.in(peer)); });
    b.copy(b.out(r), b.in(r));
    b.loop(shape.size - 1, [&](Expr i) { b.recv(r - 1 - i, b.out(r - 1 - i)); });
  });
  return b.finish();
}

}  // namespace tutti

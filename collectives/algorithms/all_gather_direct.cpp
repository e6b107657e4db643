// Direct: every rank offers its block to all others, and takes theirs, beginning with its
// neighbours so that no rank is read by all at once.
//
// Cost: α + (n-1)·o + f·b·β, b being the whole vector.  Wins: where all ranks reach each other
// alike, at any size.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan all_gather_direct(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape);
  const Expr r = shape.rank;
  b.moves_only();
  b.tiles([&] {
    b.peers([&](Expr peer) { b.send(peer, b.in(0)); });
    if (!shape.in_place) b.copy(b.out(r), b.in(0));
    b.loop(shape.size - 1, [&](Expr i) { b.recv(r - 1 - i, b.out(r - 1 - i)); });
  });
  return b.finish();
}

}  // namespace tutti

// Ring: every rank passes on to the next one the block that it received last, beginning with its
// own. After n-1 rounds every block has been everywhere.
//
// Cost: (n-1)·α + f·b·β, b being the whole vector.  Wins: large vectors over links that share a
// poor middle.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan all_gather_ring(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape);
  const Expr r = shape.rank;
  b.moves_only();
  b.tiles([&] {
    b.send(shape.next(), b.in(0));
    if (!shape.in_place) b.copy(b.out(r), b.in(0));
    b.loop(shape.size - 2, [&](Expr i) {
      b.recv(shape.prev(), b.out(r - 1 - i));
      b.send(shape.next(), b.out(r - 1 - i));
    });
    b.recv(shape.prev(), b.out(r + 1));
  });
  return b.finish();
}

}  // namespace tutti

// Pairwise: in round i every rank sends to the i-th one after it and takes from the i-th one before
// it, so that at any time each sends one block and takes one.
//
// Cost: (n-1)·α + f·b·β, b being a rank's whole vector.  Wins: large vectors over a network that
// suffers where many send to one.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan all_to_all_pairwise(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape);
  const Expr r = shape.rank;
  b.moves_only();
  b.tiles([&] {
    b.copy(b.out(r), b.in(r));
    b.loop(shape.size - 1, [&](Expr i) {
      b.send(r + 1 + i, b.in(r + 1 + i));
      b.recv(r - 1 - i, b.out(r - 1 - i));
    });
  });
  return b.finish();
}

}  // namespace tutti

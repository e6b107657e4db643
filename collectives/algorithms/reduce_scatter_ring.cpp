// Ring: the sum of a block travels once round, beginning at the rank after the block's own; each
// adds its part to what comes from the one before it and passes it on, until the block's own rank
// adds the last part. Two slots take turns, so that one is filled while the other is read.
//
// Cost: (n-1)·α + f·b·β + f·b·γ, b being the whole vector.  Wins: large vectors over links that
// share a poor middle. A block is summed in ring order, so not in rank order.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan reduce_scatter_ring(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape, shape.size > 2 ? 2 : 0);
  const Expr r = shape.rank;
  b.out_of_order();
  b.tiles([&] {
    b.send(shape.next(), b.in(r - 1));
    b.loop(shape.size - 2, [&](Expr i) {
      b.reduce(b.slots(i), {b.from(shape.prev()), b.local(b.in(r - 2 - i))});
      b.send(shape.next(), b.slots(i));
    });
    b.reduce(b.out(0), {b.from(shape.prev()), b.local(b.in(r))}).finish = true;
  });
  return b.finish();
}

}  // namespace tutti

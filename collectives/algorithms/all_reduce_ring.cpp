// Ring: every rank talks to its two neighbours only. In round i a rank passes on the chunk that it
// received last, rank-i, and adds its own part to the one before it, rank-1-i. After n-1 rounds
// chunk rank+1 is complete here; then the sums go round once more.
//
// Each link carries every byte twice, all links at the same time, whatever lies between them.
// (Patarasuk, Yuan: Bandwidth optimal all-reduce algorithms, 2009.) A chunk is summed in ring order
// beginning at the rank after its number, so not in rank order.
//
// Cost: 2·(n-1)·α + 2·f·b·β + f·b·γ.  Wins: large vectors over links that share a poor middle.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan all_reduce_ring(const Shape& shape) {
  PlanBuilder b(shape, shape.size);
  const Expr r = shape.rank;
  b.out_of_order();
  b.tiles([&] {
    b.send(shape.next(), b.in(r));
    b.loop(shape.size - 2, [&](Expr i) {
      b.reduce(b.out(r - 1 - i), {b.from(shape.prev()), b.local(b.in(r - 1 - i))});
      b.send(shape.next(), b.out(r - 1 - i));
    });
    b.reduce(b.out(r + 1), {b.from(shape.prev()), b.local(b.in(r + 1))}).finish = true;
    b.send(shape.next(), b.out(r + 1));
    b.loop(shape.size - 2, [&](Expr i) {
      b.recv(shape.prev(), b.out(r - i));
      b.send(shape.next(), b.out(r - i));
    });
    b.recv(shape.prev(), b.out(r + 2));
  });
  return b.finish();
}

}  // namespace tutti

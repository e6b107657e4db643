// One-shot: everyone offers its input to everyone and reduces all of them in a single pass.
//
// One exchange and no second round, so nothing is faster while the bytes do not matter. In place
// the sums must wait in scratch until every peer has read the input that they replace.
//
// Cost: α + (n-1)·o + (n-1)·b·β + (n-1)·b·γ.  Wins: the smallest vectors, few ranks, shared memory.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan all_reduce_one_shot(const Shape& shape) {
  // One slot in both forms: all ranks must cut a call into the same number of tiles.
  PlanBuilder b(shape, 1, 1);
  b.canonical();
  b.tiles([&] {
    b.peers([&](Expr peer) { b.send(peer, b.all_in()); });
    if (!shape.overwrites_input()) {
      b.reduce(b.all_out(), {b.from_all(b.all_in())}).finish = true;
      return;
    }
    b.reduce(b.all_scratch(0), {b.from_all(b.all_in())}).finish = true;
    b.peers([&](Expr peer) { b.drain(peer, 0, 0); });
    b.copy(b.all_out(), b.all_scratch(0));
  });
  return b.finish();
}

}  // namespace tutti

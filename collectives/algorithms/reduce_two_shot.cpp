// Two-shot: the vector is cut into n chunks. Every rank adds up its chunk from all ranks, in rank
// order, and the root collects the sums.
//
// Cost: 2·α + 2·(n-1)·o + 2·f·b·β + f·b·γ on the root.  Wins: large vectors where all ranks reach
// each other alike: the work is shared.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan reduce_two_shot(const Shape& shape) {
  PlanBuilder b(shape, shape.size, 1);
  b.canonical();
  const int r = shape.rank;
  const Ref sum = shape.is_root() ? b.out(r) : b.scratch(0, r);
  // In place the root's sums would replace what is still being read.
  const bool aside = shape.is_root() && shape.in_place && !shape.pre_scaled;
  b.tiles([&] {
    if (aside) {
      b.peers([&](Expr peer) { b.drain(peer, 0, 0); });
      b.copy(b.all_scratch(0), b.all_in());
    }
    b.peers([&](Expr peer) { b.send(peer, aside ? b.scratch(0, peer) : b.in(peer)); });
    b.reduce(sum, {b.from_all(b.in(r))}).finish = true;
    if (!shape.is_root()) {
      b.send(shape.root, sum);
    } else {
      b.peers([&](Expr peer) { b.recv(peer, b.out(peer)); });
    }
  });
  return b.finish();
}

}  // namespace tutti

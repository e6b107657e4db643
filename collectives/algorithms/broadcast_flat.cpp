// Flat: the root offers its vector to every rank at once, and each takes it from there.
//
// Cost: α + (n-1)·o + b·β where readers do not hinder each other.  Wins: in shared memory, small
// vectors and few ranks.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan broadcast_flat(const Shape& shape) {
  PlanBuilder b(shape, 1);
  b.moves_only();
  b.tiles([&] {
    if (!shape.is_root()) {
      b.recv(shape.root, b.all_out());
      return;
    }
    b.peers([&](Expr peer) { b.send(peer, b.all_in()); });
    if (!shape.in_place) b.copy(b.all_out(), b.all_in());
  });
  return b.finish();
}

}  // namespace tutti

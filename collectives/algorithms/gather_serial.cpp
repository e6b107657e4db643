// Serial: the root asks one rank after the other for its block, each when it has the one before.
//
// Cost: (n-1)·2·α + f·b·β on the root, b being the whole vector.  Wins: large blocks over a network
// that suffers where many send to one. Blocks may differ in length: only the root and their owner
// need to know of it.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan gather_serial(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape);
  b.moves_only();
  b.tiles([&] {
    if (!shape.is_root()) {
      b.recv(shape.root, b.nothing());
      b.send(shape.root, b.in(0));
      return;
    }
    if (!shape.in_place) b.copy(b.out(shape.rank), b.in(0));
    b.peers([&](Expr peer) {
      b.send(peer, b.nothing());
      b.recv(peer, b.out(peer));
    });
  });
  return b.finish();
}

}  // namespace tutti

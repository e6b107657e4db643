// Serial: the root offers one rank after the other its block, each when the one before has its own.
//
// Cost: (n-1)·2·α + f·b·β on the root, b being the whole vector.  Wins: large blocks over a network
// that suffers where many read from one. Blocks may differ in length: only the root and their owner
// need to know of it.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan scatter_serial(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape);
  b.moves_only();
  b.tiles([&] {
    if (!shape.is_root()) {
      b.recv(shape.root, b.out(0));
      b.send(shape.root, b.nothing());
      return;
    }
    b.peers([&](Expr peer) {
      b.send(peer, b.in(peer));
      b.recv(peer, b.nothing());
    });
    if (!shape.in_place) b.copy(b.out(0), b.in(shape.rank));
  });
  return b.finish();
}

}  // namespace tutti

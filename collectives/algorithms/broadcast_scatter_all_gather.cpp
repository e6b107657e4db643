// Scatter, then all_gather: the root gives every rank one of n chunks, and each gives its chunk to
// all others. So the root sends the vector twice at most, whatever the number of ranks.
// (Van de Geijn: On global combine operations, 1994.)
//
// Cost: 2·α + 2·(n-1)·o + 2·f·b·β.  Wins: large vectors and many ranks, where one link out of the
// root is what takes time.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan broadcast_scatter_all_gather(const Shape& shape) {
  PlanBuilder b(shape, shape.size);
  const int n = shape.size, r = shape.rank, root = shape.root;
  b.moves_only();
  b.tiles([&] {
    if (shape.is_root()) {
      b.peers([&](Expr peer) { b.send(peer, b.in(peer)); });
      b.peers([&](Expr peer) { b.send(peer, b.in(r)); });
      if (!shape.in_place) b.copy(b.all_out(), b.all_in());
      return;
    }
    b.recv(root, b.out(r));
    // All others but the root, beginning with the next one; before the root and after it.
    const int before = (root - r - 1 + n) % n, after = n - 2 - before;
    b.loop(before, [&](Expr i) { b.send(r + 1 + i, b.out(r)); });
    b.loop(after, [&](Expr i) { b.send(root + 1 + i, b.out(r)); });
    b.recv(root, b.out(root));
    b.loop(after, [&](Expr i) { b.recv(r - 1 - i, b.out(r - 1 - i)); });
    b.loop(before, [&](Expr i) { b.recv(root - 1 - i, b.out(root - 1 - i)); });
  });
  return b.finish();
}

}  // namespace tutti

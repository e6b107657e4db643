// Chain: ranks are numbered from the root, v = rank - root. Each takes the vector from the one
// before it and offers it to the one after it.
//
// Cost: (n-1)·(α + b·β) for one tile; of k tiles (n-2+k)·(α + b·β/k): all links work at the same
// time, and each carries the vector once.  Wins: very large vectors over links that share a poor
// middle.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan broadcast_chain(const Shape& shape) {
  PlanBuilder b(shape, 1);
  const int n = shape.size, v = (shape.rank - shape.root + n) % n;
  const Ref data = v == 0 ? b.all_in() : b.all_out();
  b.moves_only();
  b.tiles([&] {
    if (v > 0) b.recv(shape.prev(), data);
    if (v + 1 < n) b.send(shape.next(), data);
    if (v == 0 && !shape.in_place) b.copy(b.all_out(), data);
  });
  return b.finish();
}

}  // namespace tutti

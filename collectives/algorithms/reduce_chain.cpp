// Chain: ranks are numbered from the root, v = rank - root. The last one sends its vector to the
// one before it, which adds its own and passes the sum on, down to the root.
//
// Cost: (n-1)·(α + b·β + b·γ) for one tile; of many tiles all ranks work at the same time, and
// every link carries the vector once.  Wins: very large vectors over links that share a poor
// middle. In rank order if the root is rank 0.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan reduce_chain(const Shape& shape) {
  PlanBuilder b(shape, 1, 1);
  const int n = shape.size, v = (shape.rank - shape.root + n) % n;
  if (shape.root != 0) b.out_of_order();
  const Ref sum = v == 0 ? b.all_out() : b.all_scratch(0);
  b.tiles([&] {
    if (v + 1 < n) {
      Step& step = b.reduce(sum, {b.local(b.all_in()), b.from(shape.next())});
      step.finish = v == 0;
    }
    if (v > 0) b.send(shape.prev(), v + 1 < n ? sum : b.all_in());
  });
  return b.finish();
}

}  // namespace tutti

// Binomial: the broadcast's tree, upwards. Ranks are numbered from the root, v = rank - root. Rank
// v adds what v + 1, v + 2, v + 4, … send it, as far as they exist and v has that bit not set, and
// sends the sum to v without its lowest set bit.
//
// Cost: L·(α + b·β + b·γ); cut into tiles, the rounds of one overlap with those of the next.
// Wins: small vectors over a network. In rank order if the root is rank 0.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan reduce_binomial(const Shape& shape) {
  PlanBuilder b(shape, 1, 1);
  const int n = shape.size, v = (shape.rank - shape.root + n) % n;
  if (shape.root != 0) b.out_of_order();
  const Ref sum = v == 0 ? b.all_out() : b.all_scratch(0);
  b.tiles([&] {
    Ref so_far = b.all_in();
    for (int distance = 1; distance < n; distance *= 2) {
      if ((v & distance) != 0) {
        b.send(shape.rank - distance, so_far);
        return;
      }
      if (v + distance >= n) continue;
      Step& step = b.reduce(sum, {b.local(so_far), b.from(shape.rank + distance)});
      step.finish = v == 0 && 2 * distance >= n;
      so_far = sum;
    }
  });
  return b.finish();
}

}  // namespace tutti

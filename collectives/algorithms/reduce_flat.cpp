// Flat: the root adds up the vectors of all ranks in one pass over their memory, in rank order.
//
// Cost: α + (n-1)·o + (n-1)·b·(β+γ), all of it on the root.  Wins: small vectors where all ranks
// reach each other alike.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan reduce_flat(const Shape& shape) {
  PlanBuilder b(shape, 1);
  b.canonical();
  b.tiles([&] {
    if (shape.is_root()) {
      b.reduce(b.all_out(), {b.from_all(b.all_in())}).finish = true;
    } else {
      b.send(shape.root, b.all_in());
    }
  });
  return b.finish();
}

}  // namespace tutti

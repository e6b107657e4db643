// Chain: each rank adds its part to the sum of those before it, which the rank before it passes on,
// and passes the new sum on. An exclusive scan keeps what it is given.
//
// Cost: (n-1)·(α + b·β + b·γ) for one tile; of many tiles all ranks work at the same time.  Wins:
// very large vectors. In rank order.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan scan_chain(const Shape& shape) {
  PlanBuilder b(shape, 1);
  const bool last = shape.rank + 1 == shape.size;
  b.tiles([&] {
    if (shape.rank == 0) {
      b.send(shape.next(), b.all_in());
      if (!shape.in_place) b.copy(b.all_out(), b.all_in());
      return;
    }
    b.reduce(b.all_out(), {b.from(shape.prev()), b.local(b.all_in())});
    if (!last) b.send(shape.next(), b.all_out());
  });
  return b.finish();
}

Plan exclusive_scan_chain(const Shape& shape) {
  PlanBuilder b(shape, 1, 2);
  const bool last = shape.rank + 1 == shape.size;
  // What is given must not fall on the part that is to be added to it.
  const bool aside = shape.overwrites_input() && !last;
  const Ref given = aside ? b.all_scratch(0) : b.all_out(), sum = b.all_scratch(1);
  b.tiles([&] {
    if (shape.rank == 0) {
      b.send(shape.next(), b.all_in());
      return;
    }
    b.recv(shape.prev(), given);
    if (last) return;
    b.reduce(sum, {b.local(given), b.local(b.all_in())});
    b.send(shape.next(), sum);
    if (aside) b.copy(b.all_out(), given);
  });
  return b.finish();
}

}  // namespace tutti

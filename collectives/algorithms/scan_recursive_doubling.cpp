// Recursive doubling: in the round of distance d = 1, 2, 4, … each rank sends what it has to the
// rank d after it, and puts what it gets before its own: then it has the sum of the 2d ranks that
// end with itself. An exclusive scan first gives every part to the next rank.
// (Hillis, Steele: Data parallel algorithms, 1986.)
//
// Cost: L·(α + b·β + b·γ), and another α + b·β if exclusive.  Wins: small vectors. In rank order.
#include "collectives/algorithms/generators.h"

namespace tutti {
namespace {

/// The rounds among the ranks from `first` on, of which this rank brings `sum`. Two slots take
/// turns, and the last sum is the result.
void double_up(PlanBuilder& b, const Shape& shape, int first, Ref sum, int slot) {
  const int own = shape.rank - first, ranks = shape.size - first;
  for (int distance = 1; distance < ranks; distance *= 2) {
    if (own + distance < ranks) b.send(shape.rank + distance, sum);
    if (own < distance) continue;
    const bool complete = own < 2 * distance;
    const Ref longer = complete ? b.all_out() : b.all_scratch(slot);
    b.reduce(longer, {b.from(shape.rank - distance), b.local(sum)});
    sum = longer;
    slot = 1 - slot;
  }
}

}  // namespace

Plan scan_recursive_doubling(const Shape& shape) {
  PlanBuilder b(shape, 1, 2);
  b.tiles([&] {
    double_up(b, shape, 0, b.all_in(), 0);
    if (shape.rank == 0 && !shape.in_place) b.copy(b.all_out(), b.all_in());
  });
  return b.finish();
}

Plan exclusive_scan_recursive_doubling(const Shape& shape) {
  PlanBuilder b(shape, 1, 2);
  b.tiles([&] {
    if (shape.rank + 1 < shape.size) b.send(shape.next(), b.all_in());
    if (shape.rank == 0) return;
    const Ref given = shape.rank == 1 ? b.all_out() : b.all_scratch(0);
    b.recv(shape.prev(), given);
    double_up(b, shape, 1, given, 1);
  });
  return b.finish();
}

}  // namespace tutti

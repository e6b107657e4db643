// Bruck: in the round of distance d = 1, 2, 4, … a rank holds the d blocks that begin with its own,
// sends them d ranks back, and takes the d that follow from the rank d further on; the last round
// is shorter where n is no power of two. Blocks have their final places from the start, so nothing
// is rotated at the end.
// (Bruck, Ho, Kipnis, Upfal, Weathersby: Efficient algorithms for all-to-all communications, 1997.)
//
// Cost: L·α + f·b·β, b being the whole vector.  Wins: small vectors over a network, any n.
#include <algorithm>

#include "collectives/algorithms/generators.h"

namespace tutti {

Plan all_gather_bruck(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape);
  const int n = shape.size, r = shape.rank;
  b.moves_only();
  b.tiles([&] {
    if (!shape.in_place) b.copy(b.out(r), b.in(0));
    for (int distance = 1; distance < n; distance *= 2) {
      const int blocks = std::min(distance, n - distance);
      b.send(r - distance, b.out(r, blocks));
      b.recv(r + distance, b.out(r + distance, blocks));
    }
  });
  return b.finish();
}

}  // namespace tutti

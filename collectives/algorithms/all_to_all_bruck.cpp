// Bruck: slot j of a rank holds a block that has j ranks to go. In the round of distance d = 1, 2,
// 4, … all blocks whose j has that bit travel d ranks further, in one message. In the end slot j
// holds what the j-th rank before this one has sent.
// (Bruck, Ho, Kipnis, Upfal, Weathersby: Efficient algorithms for all-to-all communications, 1997.)
//
// What arrives lands aside first: its places are still being read.
//
// Cost: L·α + L·b/2·β, and as much copied again, b being a rank's whole vector.  Wins: small blocks
// over a network.
#include <algorithm>
#include <bit>

#include "collectives/algorithms/generators.h"

namespace tutti {

Plan all_to_all_bruck(const Shape& shape) {
  const int n = shape.size;
  const Expr r = shape.rank;
  // How many of 0 … n-1 have the bit of `distance`.
  const auto travelling = [n](int distance) {
    return n / (2 * distance) * distance + std::max(0, n % (2 * distance) - distance);
  };
  int aside = 0;
  for (int distance = 1; distance < n; distance *= 2) aside = std::max(aside, travelling(distance));
  PlanBuilder b = PlanBuilder::in_blocks(shape, n + aside);
  b.moves_only();
  b.tiles([&] {
    b.copy(b.slots(0, n), b.in(r, n));
    for (int distance = 1; distance < n; distance *= 2) {
      const int blocks = travelling(distance);
      const Ref places = PlanBuilder::every(b.slots(distance), distance, 2 * distance, blocks);
      b.send(r + distance, places);
      b.recv(r - distance, b.slots(n, blocks));
      b.copy(places, b.slots(n, blocks));
    }
    b.loop(n, [&](Expr j) { b.copy(b.out(r - j), b.slots(j)); });
  });
  return b.finish();
}

}  // namespace tutti

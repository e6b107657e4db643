// Binomial: ranks are numbered from the root, v = rank - root. Rank v collects the blocks of
// v … v + 2^k - 1, 2^k being its lowest set bit, by taking those of v + 1, v + 2, v + 4, … , and
// sends all of them to v - 2^k in one message.
//
// Cost: L·α + f·b·β on the root, b being the whole vector.  Wins: small blocks over a network.
#include <algorithm>
#include <bit>

#include "collectives/algorithms/generators.h"

namespace tutti {

Plan gather_binomial(const Shape& shape) {
  const int n = shape.size, r = shape.rank, v = (r - shape.root + n) % n;
  const int slots = static_cast<int>(std::bit_ceil(static_cast<unsigned>(n))) / 2;
  PlanBuilder b = PlanBuilder::in_blocks(shape, slots);
  // Blocks of v + first … : in the root's output, elsewhere in slots.
  const auto blocks = [&](int first, int count) {
    return v == 0 ? b.out(r + first, count) : b.slots(first, count);
  };
  b.moves_only();
  b.tiles([&] {
    const bool leaf = v % 2 != 0 || v + 1 == n;
    if (!leaf && !(v == 0 && shape.in_place)) b.copy(blocks(0, 1), b.in(0));
    int held = 1;
    for (int distance = 1; distance < n; distance *= 2) {
      if ((v & distance) != 0) {
        b.send(r - distance, leaf ? b.in(0) : blocks(0, held));
        return;
      }
      const int more = std::min(distance, n - v - distance);
      if (more <= 0) continue;
      b.recv(r + distance, blocks(distance, more));
      held += more;
    }
  });
  return b.finish();
}

}  // namespace tutti

// Binomial: the gather's tree, downwards. Ranks are numbered from the root, v = rank - root. Rank v
// takes the blocks of v … v + 2^k - 1, 2^k being its lowest set bit, from v - 2^k in one message,
// and passes the upper half of what it has on to v + 2^(k-1), then to v + 2^(k-2), and so on.
//
// Cost: L·α + f·b·β on the root, b being the whole vector.  Wins: small blocks over a network.
#include <algorithm>
#include <bit>

#include "collectives/algorithms/generators.h"

namespace tutti {

Plan scatter_binomial(const Shape& shape) {
  const int n = shape.size, r = shape.rank, v = (r - shape.root + n) % n;
  const int all = static_cast<int>(std::bit_ceil(static_cast<unsigned>(n)));
  PlanBuilder b = PlanBuilder::in_blocks(shape, all / 2);
  const int reach = v == 0 ? all : v & -v;  // the lowest set bit
  const auto blocks = [&](int first, int count) {
    return v == 0 ? b.in(r + first, count) : b.slots(first, count);
  };
  b.moves_only();
  b.tiles([&] {
    const int held = std::min(reach, n - v);
    if (v > 0) b.recv(r - reach, held == 1 ? b.out(0) : b.slots(0, held));
    for (int distance = reach / 2; distance > 0; distance /= 2) {
      const int more = std::min(distance, n - v - distance);
      if (more > 0) b.send(r + distance, blocks(distance, more));
    }
    if (v == 0 ? !shape.in_place : held > 1) b.copy(b.out(0), blocks(0, 1));
  });
  return b.finish();
}

}  // namespace tutti

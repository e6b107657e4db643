// Binomial: ranks are numbered from the root, v = rank - root. Rank v receives from v without its
// lowest set bit, then sends to v + 2^k for every k below that bit, the farthest (which has most
// left to feed) first. The number of ranks that hold the data doubles every round.
//
// Cost: L·(α + b·β); cut into tiles, the rounds of one overlap with those of the next.
// Wins: small and medium vectors over a network.
#include <bit>

#include "collectives/algorithms/generators.h"

namespace tutti {

Plan broadcast_binomial(const Shape& shape) {
  PlanBuilder b(shape, 1);
  b.moves_only();
  const auto size = static_cast<unsigned>(shape.size);
  const auto v = static_cast<unsigned>(shape.rank - shape.root + shape.size) % size;
  const unsigned reach = v == 0 ? std::bit_ceil(size) : v & (~v + 1);  // the lowest set bit
  const auto rank_of = [&](unsigned number) {
    return static_cast<int>((number + static_cast<unsigned>(shape.root)) % size);
  };
  b.tiles([&] {
    const Ref data = v == 0 ? b.all_in() : b.all_out();
    if (v != 0) b.recv(rank_of(v - reach), data);
    for (unsigned distance = reach / 2; distance > 0; distance /= 2) {
      if (v + distance < size) b.send(rank_of(v + distance), data);
    }
    if (v == 0 && !shape.in_place) b.copy(b.all_out(), data);
  });
  return b.finish();
}

}  // namespace tutti

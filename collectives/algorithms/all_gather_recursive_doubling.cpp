// Recursive doubling: partners 1, 2, 4, … leaves apart exchange all that they hold, so the runs of
// neighbouring blocks double until they are the whole vector. See halving.h for what is done where
// n is no power of two: the second of a pair gives its block away first and takes the rest last.
//
// Cost: log₂ m·α + f·b·β, and another α + b·β where n is no power of two; b is the whole vector.
// Wins: small and medium vectors over a network, n a power of two.
#include "collectives/algorithms/generators.h"
#include "collectives/algorithms/halving.h"

namespace tutti {

Plan all_gather_recursive_doubling(const Shape& shape) {
  PlanBuilder b = PlanBuilder::in_blocks(shape);
  const Leaves leaves(shape);
  const int n = shape.size, r = shape.rank;
  const auto blocks = [&](int leaf, int count) {
    return b.out(leaves.first(leaf), leaves.first(leaf + count) - leaves.first(leaf));
  };
  b.moves_only();
  b.tiles([&] {
    if (!shape.in_place) b.copy(b.out(r), b.in(0));
    if (leaves.hangs_on) {
      b.send(r - 1, b.out(r));
      b.recv(r - 1, b.out(r + 1, n - 1));
      return;
    }
    if (leaves.paired) b.recv(r + 1, b.out(r + 1));
    for (int distance = 1; distance < leaves.count; distance *= 2) {
      const int partner = leaves.own ^ distance;
      b.send(leaves.first(partner), blocks(leaves.own / distance * distance, distance));
      b.recv(leaves.first(partner), blocks(partner / distance * distance, distance));
    }
    if (leaves.paired) b.send(r + 1, b.out(r + 2, n - 1));
  });
  return b.finish();
}

}  // namespace tutti

// Recursive doubling: in round k partners 2^k apart swap all that they have summed and both add up,
// so the number of ranks in every sum doubles until it is all of them.
//
// With m = 2^⌊log₂ n⌋ and r = n - m, ranks 0 … 2r-1 first pair up: the even one adds its odd
// neighbour's vector to its own and speaks for both, the odd one only gets the result. Partners
// combine the lower ranks' sum first: the same bits on both, and rank order everywhere.
//
// Cost: L·(α + b·β + b·γ), and another 2·(α + b·β) + b·γ where n is no power of two.
// Wins: small vectors over a network.
#include <bit>

#include "collectives/algorithms/generators.h"

namespace tutti {
namespace {

// The doubling rounds of leaf v of m, whose sum so far is `sum`. Sums alternate between two slots,
// so that one is written while the partner reads the other.
void doubling(PlanBuilder& b, const Shape& shape, int v, int m, Ref sum) {
  const int excess = shape.size - m;
  bool slot = sum.buffer == Buffer::kScratch;  // which one is free
  for (int distance = 1; distance < m; distance *= 2) {
    const int other = v ^ distance;
    const int partner = other < excess ? 2 * other : other + excess;
    const bool last = 2 * distance == m;
    // The partner, too, is waiting to read what the result would replace: go round it.
    const bool aside = last && shape.overwrites_input() && sum.buffer != Buffer::kScratch;
    const Ref result = last && !aside ? b.all_out() : b.all_scratch(slot);
    const Operand mine = b.local(sum), theirs = b.from(partner);
    b.send(partner, sum);
    Step& step = v < other ? b.reduce(result, {mine, theirs}) : b.reduce(result, {theirs, mine});
    step.finish = last;
    if (aside) b.copy(b.all_out(), result);
    sum = result;
    slot = !slot;
  }
}

}  // namespace

Plan all_reduce_recursive_doubling(const Shape& shape) {
  PlanBuilder b(shape, 1, 2);
  b.canonical();
  const int m = static_cast<int>(std::bit_floor(static_cast<unsigned>(shape.size)));
  const int excess = shape.size - m, rank = shape.rank;
  const bool paired = rank < 2 * excess;
  b.tiles([&] {
    if (!paired) {
      doubling(b, shape, rank - excess, m, b.all_in());
    } else if (rank % 2 == 0) {
      b.reduce(b.all_scratch(0), {b.local(b.all_in()), b.from(rank + 1)});
      doubling(b, shape, rank / 2, m, b.all_scratch(0));
      b.send(rank + 1, b.all_out());
    } else {
      b.send(rank - 1, b.all_in());
      b.recv(rank - 1, b.all_out());
    }
  });
  return b.finish();
}

}  // namespace tutti

// Rabenseifner: halving, then doubling. In round k partners 2^k apart split the range of chunks
// that both still hold: each sends one half and adds up the other. After log₂ m rounds a rank holds
// one complete chunk; the same partners in the opposite order then give back what they hold, and
// the ranges double until they are the whole vector.
// (Rabenseifner: Optimization of collective reduction operations, 2004; near partners first here.)
//
// With m = 2^⌊log₂ n⌋ and r = n - m, ranks 0 … 2r-1 first pair up, as in recursive doubling. The
// lower ranks' sum comes first in every addition: rank order.
//
// Cost: 2·log₂ m·α + 2·f·b·β + f·b·γ, and another 2·(α + b·β) + b·γ where n is no power of two.
// Wins: medium and large vectors over a network, n a power of two.
#include <bit>

#include "collectives/algorithms/generators.h"

namespace tutti {
namespace {

struct Halving {
  PlanBuilder& b;
  const Shape& shape;
  int leaves;  // m
  int leaf;
  bool folded;  // the sum so far is in the output already

  int partner(int distance) const {
    const int other = leaf ^ distance, excess = shape.size - leaves;
    return other < excess ? 2 * other : other + excess;
  }

  // This rank and its partner hold chunks first … first+count-1.
  void rounds(int distance, int first, int count) const {
    if (distance == leaves) return;
    const int half = count / 2;
    const bool lower = (leaf & distance) == 0;  // keeps the lower half, and its ranks come first
    const int mine = lower ? first : first + half, theirs = lower ? first + half : first;
    const int to = partner(distance);
    const auto sum = [&](int chunk) {
      return distance == 1 && !folded ? b.in(chunk, half) : b.out(chunk, half);
    };
    const Operand own = b.local(sum(mine));
    b.send(to, sum(theirs));
    Step& step = lower ? b.reduce(b.out(mine, half), {own, b.from(to)})
                       : b.reduce(b.out(mine, half), {b.from(to), own});
    step.finish = 2 * distance == leaves;
    rounds(2 * distance, mine, half);
    b.send(to, b.out(mine, half));
    b.recv(to, b.out(theirs, half));
  }
};

}  // namespace

Plan all_reduce_rabenseifner(const Shape& shape) {
  const int m = static_cast<int>(std::bit_floor(static_cast<unsigned>(shape.size)));
  const int excess = shape.size - m, rank = shape.rank;
  const bool paired = rank < 2 * excess;
  PlanBuilder b(shape, m);
  b.canonical();
  b.tiles([&] {
    if (!paired) {
      Halving{b, shape, m, rank - excess, false}.rounds(1, 0, m);
    } else if (rank % 2 == 0) {
      b.reduce(b.all_out(), {b.local(b.all_in()), b.from(rank + 1)});
      Halving{b, shape, m, rank / 2, true}.rounds(1, 0, m);
      b.send(rank + 1, b.all_out());
    } else {
      b.send(rank - 1, b.all_in());
      b.recv(rank - 1, b.all_out());
    }
  });
  return b.finish();
}

}  // namespace tutti

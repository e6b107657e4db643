// Ranks as the leaves of a perfect binary tree, for algorithms that halve and double. With m =
// 2^⌊log₂ n⌋ and e = n - m, ranks 0 … 2e-1 pair up, an odd one hanging on to the even one before
// it; the pairs and the ranks after them are the m leaves, in rank order.
#pragma once

#include <bit>

#include "collectives/plan.h"

namespace tutti {

struct Leaves {
  explicit Leaves(const Shape& shape)
      : count(static_cast<int>(std::bit_floor(static_cast<unsigned>(shape.size)))),
        excess(shape.size - count),
        paired(shape.rank < 2 * excess),
        hangs_on(paired && shape.rank % 2 != 0),
        own(paired ? shape.rank / 2 : shape.rank - excess) {}

  int count;      // m
  int excess;     // e: the pairs
  bool paired;    // this rank is one of a pair
  bool hangs_on;  // and the second of it: it takes no part in the tree
  int own;        // this rank's leaf

  /// The first rank of a leaf; of leaf m: n. The ranks of leaves a … b-1 are first(a) … first(b)-1.
  int first(int leaf) const { return leaf < excess ? 2 * leaf : leaf + excess; }
};

}  // namespace tutti

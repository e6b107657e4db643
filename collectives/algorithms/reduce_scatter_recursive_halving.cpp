// Recursive halving: partners m/2, m/4, … 1 leaves apart split the blocks that both still sum up:
// each sends one half and adds the other. What a rank holds in the end are the blocks of its leaf.
// See halving.h for what is done where n is no power of two: the second of a pair gives its whole
// input to the first one, and takes its block when that is done.
//
// Cost: log₂ m·α + f·b·β + f·b·γ, and another 2·α + b·(β+γ) where n is no power of two; b is the
// whole vector.  Wins: small and medium vectors over a network, n a power of two. The farthest
// ranks come first, so a block is not summed in rank order.
#include "collectives/algorithms/generators.h"
#include "collectives/algorithms/halving.h"

namespace tutti {
namespace {

struct ScatterHalving {
  PlanBuilder& b;
  const Leaves& leaves;

  Ref part(bool from_input, int leaf, int count) const {
    const int first = leaves.first(leaf), blocks = leaves.first(leaf + count) - first;
    return from_input ? b.in(first, blocks) : b.slots(first, blocks);
  }

  // This rank and its partner both sum up the blocks of leaves `begin` … begin+count-1.
  void rounds(int begin, int count, bool from_input) const {
    if (count == 1) return;
    const int half = count / 2;
    const bool lower = leaves.own < begin + half;
    const int mine = lower ? begin : begin + half, theirs = lower ? begin + half : begin;
    const int partner = leaves.first(lower ? leaves.own + half : leaves.own - half);
    const bool last = half == 1, single = last && !leaves.paired;
    const Operand own = b.local(part(from_input, mine, half));
    b.send(partner, part(from_input, theirs, half));
    Step& step = b.reduce(single ? b.out(0) : part(false, mine, half),
                          {lower ? own : b.from(partner), lower ? b.from(partner) : own});
    step.finish = last;
    rounds(mine, half, false);
  }
};

}  // namespace

Plan reduce_scatter_recursive_halving(const Shape& shape) {
  const Leaves leaves(shape);
  const int n = shape.size, r = shape.rank;
  PlanBuilder b = PlanBuilder::in_blocks(shape, n);
  b.out_of_order();
  b.tiles([&] {
    if (leaves.hangs_on) {
      b.send(r - 1, b.in(0, n));
      b.recv(r - 1, b.out(0));
      return;
    }
    if (leaves.paired) b.reduce(b.slots(0, n), {b.local(b.in(0, n)), b.from(r + 1)});
    ScatterHalving{b, leaves}.rounds(0, leaves.count, !leaves.paired);
    if (!leaves.paired) return;
    b.send(r + 1, b.slots(r + 1));
    b.copy(b.out(0), b.slots(r));
  });
  return b.finish();
}

}  // namespace tutti

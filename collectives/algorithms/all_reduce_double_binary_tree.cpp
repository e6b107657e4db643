// Double binary tree: two trees over all ranks, each for one half of the vector. Sums flow up to
// the root and the result flows down again, tile after tile, the two directions in lanes of their
// own. A rank that is inside one tree is a leaf of the other, so all have the same to do.
// (Sanders, Speck, Träff: Two-tree algorithms for full bandwidth broadcast, reduction and scan,
// 2009.)
//
// Both trees are numbered in order, so a node's sum is {its lower ranks, itself, its higher ranks}:
// rank order. For even n the second tree is the mirror image of the first; for odd n they are the
// same tree over ranks 0 … n-2 and 1 … n-1, and the rank left over is the root above it.
//
// A node keeps its sum in the output, where the result will go. So the lane down may write a tile
// only when the parent has read it: the lane up drains one tile behind and gives a token for each.
//
// Cost: 4·L·α + 4·√(2·L·b·α·β) + 2·b·β + b·γ.  Wins: many ranks, medium vectors, over a network.
#include <bit>

#include "collectives/algorithms/generators.h"

namespace tutti {
namespace {

constexpr int kNobody = -1;

struct Node {
  int parent = kNobody;
  int lower = kNobody, higher = kNobody;  // the children: of the ranks before and after this one
};

// The in-order tree over 1 … m: x stands as high as it has trailing zeros. What would lie above m
// is skipped: its left descendant takes the place.
Node in_order(unsigned x, unsigned m) {
  const auto low = [](unsigned y) { return y & (~y + 1); };
  Node node;
  if (x != std::bit_floor(m)) {
    unsigned up = x;
    do {
      up = (up - low(up)) | (2 * low(up));
    } while (up > m);
    node.parent = static_cast<int>(up);
  }
  if (low(x) > 1) node.lower = static_cast<int>(x - low(x) / 2);
  if (low(x) > 1 && x < m) {
    unsigned down = x + low(x) / 2;
    while (down > m) down -= low(down) / 2;
    node.higher = static_cast<int>(down);
  }
  return node;
}

// Ranks from tree numbers: rank = (number + offset), or its mirror image.
Node renumbered(const Node& node, int offset) {
  const auto rank = [&](int x) { return x == kNobody ? kNobody : x + offset; };
  return {rank(node.parent), rank(node.lower), rank(node.higher)};
}

Node node_of(int tree, int rank, int size) {
  const auto unsigned_of = [](int x) { return static_cast<unsigned>(x); };
  if (size % 2 == 0) {
    if (tree == 0) return renumbered(in_order(unsigned_of(rank + 1), unsigned_of(size)), -1);
    const Node n = in_order(unsigned_of(size - rank), unsigned_of(size));
    const auto mirror = [&](int x) { return x == kNobody ? kNobody : size - x; };
    return {mirror(n.parent), mirror(n.higher), mirror(n.lower)};
  }
  const int m = size - 1, left_over = tree == 0 ? size - 1 : 0;
  const int offset = tree == 0 ? -1 : 0;
  const int top = static_cast<int>(std::bit_floor(unsigned_of(m))) + offset;
  if (rank == left_over)
    return tree == 0 ? Node{kNobody, top, kNobody} : Node{kNobody, kNobody, top};
  Node node = renumbered(in_order(unsigned_of(rank - offset), unsigned_of(m)), offset);
  if (rank == top) node.parent = left_over;
  return node;
}

void sums_up(PlanBuilder& b, const Node& node, int tree, bool tokens) {
  const int lane = 2 * tree, down = lane + 1;
  const bool leaf = node.lower == kNobody && node.higher == kNobody;
  const Operand own = b.local(b.in(tree));
  b.tiles([&] {
    if (!leaf) {
      Step& sum = node.lower == kNobody ? b.reduce(b.out(tree), {own, b.from(node.higher)})
                  : node.higher == kNobody
                      ? b.reduce(b.out(tree), {b.from(node.lower), own})
                      : b.reduce(b.out(tree), {b.from(node.lower), own, b.from(node.higher)});
      sum.finish = node.parent == kNobody;
    }
    if (node.parent != kNobody) {
      b.send(node.parent, leaf ? b.in(tree) : b.out(tree));
      if (tokens) b.drain(node.parent, lane, 1);
    }
    if (tokens) b.signal(down);
  });
  if (tokens && node.parent != kNobody) {
    b.drain(node.parent, lane, 0);
    b.signal(down);
  }
}

void results_down(PlanBuilder& b, const Node& node, int tree, bool tokens) {
  const int up = 2 * tree;
  if (tokens && node.parent != kNobody) b.wait(up);  // the token after a tile says it was read
  b.tiles([&] {
    if (tokens) b.wait(up);
    if (node.parent != kNobody) b.recv(node.parent, b.out(tree));
    if (node.lower != kNobody) b.send(node.lower, b.out(tree));
    if (node.higher != kNobody) b.send(node.higher, b.out(tree));
  });
}

}  // namespace

Plan all_reduce_double_binary_tree(const Shape& shape) {
  PlanBuilder b(shape, 2);
  for (int tree = 0; tree < 2; ++tree) {
    const Node node = node_of(tree, shape.rank, shape.size);
    const bool leaf = node.lower == kNobody && node.higher == kNobody;
    const bool tokens = !leaf || shape.overwrites_input();  // else the lanes share no memory
    b.lane(2 * tree, [&] { sums_up(b, node, tree, tokens); });
    b.lane(2 * tree + 1, [&] { results_down(b, node, tree, tokens); });
  }
  return b.finish();
}

}  // namespace tutti

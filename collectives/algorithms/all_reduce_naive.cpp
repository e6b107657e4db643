// Naive: everyone receives every other rank's vector into memory of its own, then adds them up.
//
// What one writes first: n-1 receives, then a reduction in rank order. It needs n-1 vectors of
// scratch and moves every byte twice more than one-shot does; it stays as the baseline that the
// others are measured against, and for links whose peers' memory cannot be reduced from directly.
//
// Cost: α + (n-1)·o + 2·(n-1)·b·β + (n-1)·b·γ.  Wins: never by much; teaching.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan all_reduce_naive(const Shape& shape) {
  PlanBuilder b(shape, 1, shape.size);  // a slot a rank; one's own stays unused
  b.canonical();
  b.tiles([&] {
    b.peers([&](Expr peer) { b.send(peer, b.all_in()); });
    b.peers([&](Expr peer) { b.recv(peer, b.all_scratch(peer)); });
    if (shape.overwrites_input()) b.peers([&](Expr peer) { b.drain(peer, 0, 0); });
    b.reduce(b.all_out(), {b.from_all_slots(b.all_in())}).finish = true;
  });
  return b.finish();
}

}  // namespace tutti

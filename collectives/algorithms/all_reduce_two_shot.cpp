// Two-shot: rank k owns chunk k. It reduces that chunk of everyone's input in one pass, then
// everyone collects the finished chunks from their owners.
//
// A parameter server with n shards: each byte is reduced once in the whole world instead of n
// times, for the price of a second exchange.
//
// Cost: 2·α + 2·(n-1)·o + 2·f·b·β + f·b·γ.  Wins: all but the smallest vectors where any two ranks
// reach each other equally well (one host, one switch).
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan all_reduce_two_shot(const Shape& shape) {
  PlanBuilder b(shape, shape.size);
  b.canonical();
  const Expr own = shape.rank;
  b.tiles([&] {
    b.peers([&](Expr peer) { b.send(peer, b.in(peer)); });
    b.reduce(b.out(own), {b.from_all(b.in(own))}).finish = true;
    b.peers([&](Expr peer) { b.send(peer, b.out(own)); });
    b.peers([&](Expr peer) { b.recv(peer, b.out(peer)); });
  });
  return b.finish();
}

}  // namespace tutti

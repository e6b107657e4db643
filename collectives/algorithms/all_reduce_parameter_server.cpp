// Parameter server: the vector is cut into shards, and rank k < shards serves shard k. Everyone
// offers the shards to their servers; a server reduces its own from all ranks in one pass and hands
// the sum back to everyone.
//
// One shard is the classic server, whose memory and links are the bottleneck; n shards are two-shot
// (which is written out in its own file, without the table of servers).
//
// Cost: 2·α + 2·(n-1)·o + 2·(n-1)·b/shards·β at a server + (n-1)·b/shards·γ.
// Wins: few ranks; hosts of which some have much better links or processors than the others.
#include <numeric>

#include "collectives/algorithms/generators.h"

namespace tutti {

Plan all_reduce_parameter_server(const Shape& shape) {
  const int shards = shape.shards;
  PlanBuilder b(shape, shards);
  b.canonical();
  std::vector<std::uint32_t> ranks(static_cast<std::size_t>(shards));
  std::iota(ranks.begin(), ranks.end(), 0u);
  const std::uint16_t servers = b.table(std::move(ranks));

  const Expr own = shape.rank;
  const bool serves = shape.rank < shards;
  const auto others = [&](const auto& body) {  // all servers but oneself, the next one first
    b.loop(serves ? shards - 1 : shards, [&](Expr i) { body(own + 1 + i); });
  };
  b.tiles([&] {
    others([&](Expr k) { b.send(PlanBuilder::member(servers, k), b.in(k)); });
    if (serves) {
      b.reduce(b.out(own), {b.from_all(b.in(own))}).finish = true;
      b.peers([&](Expr peer) { b.send(peer, b.out(own)); });
    }
    others([&](Expr k) { b.recv(PlanBuilder::member(servers, k), b.out(k)); });
  });
  return b.finish();
}

}  // namespace tutti

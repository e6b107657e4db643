// Dissemination: in round k a rank tells the one 2^k after it, and hears from the one 2^k before
// it, who is there. What a rank knows doubles every round, so after L rounds it knows of everyone.
// (Hensgen, Finkel, Manber: Two algorithms for barrier synchronization, 1988.)
//
// Cost: L·α.  Wins: always, until topologies have levels.
#include "collectives/algorithms/generators.h"

namespace tutti {

Plan barrier_dissemination(const Shape& shape) {
  PlanBuilder b(shape, 1);
  b.moves_only();
  for (int distance = 1; distance < shape.size; distance *= 2) {
    b.send(shape.rank + distance, b.nothing());
    b.recv(shape.rank - distance, b.nothing());
  }
  return b.finish();
}

}  // namespace tutti

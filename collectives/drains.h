// The finishing pass that puts drains where a lane's own writes need them.
#pragma once

#include "collectives/plan.h"

namespace tutti {

/// Inserts the drains without which a rank would overwrite what a peer may still read. Done by
/// PlanBuilder::finish(). Finds the sends of a lane that the same lane's later writes hit, where
/// the peer is constant or the same expression of the loop variables at both steps. Others (another
/// lane's sends, loops over peers in another order) are the generator's to drain, and the verifier
/// finds the missing ones.
void insert_drains(Plan& plan);

}  // namespace tutti

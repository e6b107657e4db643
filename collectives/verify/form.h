// What can be said of plans without following them.
#pragma once

#include <span>

#include "collectives/plan.h"
#include "collectives/verify.h"

namespace tutti::proof {

/// Throws BrokenRule unless every plan is well formed by itself (loops nest, indices lie within
/// their tables, nothing writes the input) and all agree on what all ranks must agree on.
void check_form(std::span<const Plan> plans, const Claim& claim);

}  // namespace tutti::proof

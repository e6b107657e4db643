// Plans in words and pictures, for people.
#pragma once

#include <span>
#include <string>

#include "collectives/plan.h"

namespace tutti {

/// What every rank does, lane by lane. Ranks whose plans differ only by their number share one
/// text, in which `rank` stands for that number.
std::string plans_text(std::span<const Plan> plans);

/// A space-time picture: one column a rank, one row a round, of one tile. What is sent in a round
/// can be received in the next one.
std::string plans_picture(std::span<const Plan> plans);

}  // namespace tutti

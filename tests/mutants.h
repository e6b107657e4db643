// Small mistakes, made in a correct plan one at a time.
#pragma once

#include <functional>
#include <string_view>

#include "collectives/plan.h"

namespace tutti::test {

/// Calls visit(kind, step, mutant) for every mutation of every step: drop, duplicate or move it,
/// shift a chunk, slot or peer, change a lane, lag, loop or operand. Mutants are well formed (their
/// hash is right) and differ from the plan.
void for_each_mutant(
    const Plan& plan,
    const std::function<void(std::string_view kind, std::uint32_t step, const Plan&)>& visit);

/// The same plan without a step, or with one more before step `at`. Loops and lanes stay right; the
/// hash is made anew.
Plan without_step(Plan plan, std::uint32_t at);
Plan with_step(Plan plan, std::uint32_t at, const Step& step);

/// After a change by hand.
Plan rehashed(Plan plan);

}  // namespace tutti::test

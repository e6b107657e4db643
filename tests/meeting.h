// Ranks that meet, for the tests of the start.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "tests/ranks.h"
#include "transport/bootstrap/world.h"

namespace tutti::test {

/// How a rank ended: TUTTI_OK, or the status and text of its error.
struct Outcome {
  tutti_status status = TUTTI_OK;
  std::string text;
};

/// The worlds of `size` ranks that meet at a fresh address.
std::vector<World> worlds(int size,
                          std::chrono::milliseconds timeout = std::chrono::milliseconds(20'000));

/// Runs `body` for each world at the same time. A process that dies has status -1.
std::vector<Outcome> meet_all(RankKind kind, const std::vector<World>& ranks,
                              const std::function<void(const World&)>& body);

/// What went wrong, a line a rank; empty if nothing did.
std::string failures(const std::vector<Outcome>& outcomes);

}  // namespace tutti::test

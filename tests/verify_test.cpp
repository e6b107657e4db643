// What the verifier says of right plans, of wrong ones and of claims that make no sense.
//
// TUTTI_SEED sets the seed of the mixed forms, TUTTI_VERIFY_RANKS the greatest size.
#include "collectives/verify.h"

#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "collectives/verify/sweep.h"
#include "kernels/error.h"
#include "tests/brute_force.h"
#include "tests/catch.h"
#include "tests/settings.h"
#include "tests/wrong_plans.h"
#include "transport/shm/layout.h"

namespace tutti::test {
namespace {

BruteForceCase judged(const Claim& claim) {
  return {.collective = claim.collective,
          .root = claim.root,
          .count = claim.count,
          .trips = claim.trips,
          .pre_scaled = claim.pre_scaled};
}

}  // namespace

TEST_CASE("trip counts are tried around the window that the transport has") {
  CHECK(Sweep{}.window == kWindow);
}

TEST_CASE("every generator is right for 1 to 33 ranks, all forms, roots and awkward counts") {
  Sweep sweep;
  const auto most = static_cast<int>(setting("TUTTI_VERIFY_RANKS", 33));
  for (int n = 1; n <= most; ++n) sweep.sizes.push_back(n);
  sweep.seed = setting("TUTTI_SEED", 1);
  std::printf("seed %lu (TUTTI_SEED)\n", sweep.seed);

  const std::vector<SweepRow> rows = run_sweep(sweep, [](std::size_t, std::size_t) {});

  CHECK(rows.size() == algorithms().size());
  for (const SweepRow& row : rows) {
    INFO(row.algorithm << ": " << row.first_fault);
    CHECK(row.cases > 0);
    CHECK(row.failed == 0);
  }
}

TEST_CASE("a sampled sweep proves any number of tiles, of few ranks and of many") {
  const auto messages = [](int size, std::uint64_t seed) {
    const Sweep sweep{.sizes = {size},
                      .collectives = {Collective::kAllReduce},
                      .algorithms = {"two_shot"},
                      .sampled = true,
                      .seed = seed};
    const std::vector<SweepRow> rows = run_sweep(sweep, [](std::size_t, std::size_t) {});
    REQUIRE(rows.size() == 1);
    INFO(rows[0].first_fault);
    CHECK(rows[0].cases == 1);
    CHECK(rows[0].failed == 0);
    return rows[0].messages;
  };
  for (const int size : {5, 37}) {
    std::set<std::uint64_t> tiles;
    const auto of_a_tile =
        2 * static_cast<std::uint64_t>(size) * static_cast<std::uint64_t>(size - 1);
    for (std::uint64_t seed = 1; seed <= 24; ++seed) tiles.insert(messages(size, seed) / of_a_tile);
    CHECK(tiles == std::set<std::uint64_t>{1, 2, 17, 33});
  }
}

TEST_CASE("the plans that people get wrong are rejected for the right reason") {
  const std::vector<WrongPlan> all = wrong_plans();
  CHECK(all.size() >= 20);
  for (const WrongPlan& wrong : all) {
    const Verdict verdict = verify(wrong.plans, wrong.claim);
    INFO(wrong.name << ": " << verdict.fault);
    CHECK(verdict.fault.find(wrong.verdict) != std::string::npos);
  }
}

TEST_CASE("the brute-force interpreter agrees about the plans that people get wrong") {
  for (const WrongPlan& wrong : wrong_plans()) {
    const std::string judgement = brute_force(wrong.plans, judged(wrong.claim));
    INFO(wrong.name << ": " << judgement);
    CHECK(judgement.empty() != wrong.shows);
  }
}

TEST_CASE("a fault names rank, tile, step and chunk") {
  const std::vector<WrongPlan> all = wrong_plans();
  const Verdict race = verify(all[0].plans, all[0].claim);
  INFO(race.fault);
  CHECK(race.fault.find("rank 2, ") == 0);
  CHECK(race.fault.find("step ") != std::string::npos);
  CHECK(race.fault.find("(chunk 1 of tile 0)") != std::string::npos);
}

TEST_CASE("a plan changed after it was built is not proven") {
  std::vector<Plan> plans =
      plans_of({.variant = variants(Collective::kAllReduce, 2)[0], .size = 2});
  plans[1].in_order = false;
  CHECK(verify(plans, {.count = 4}).fault.find("changed after it was built") != std::string::npos);
}

TEST_CASE("a claim that cannot be checked is an error, not a verdict") {
  const std::vector<Plan> plans =
      plans_of({.variant = variants(Collective::kAllReduce, 2)[0], .size = 2});
  CHECK_THROWS_AS(verify({}, {}), Error);
  CHECK_THROWS_AS(verify(plans, {.count = 4, .trips = 0}), Error);
  CHECK_THROWS_AS(verify(plans, {.root = 2, .count = 4}), Error);
  CHECK_THROWS_AS(verify(plans, {.count = kMaxVerifiedCount + 1}), Error);
}

TEST_CASE("a sweep refuses names and sizes that do not exist") {
  const auto ignore = [](std::size_t, std::size_t) {};
  CHECK_THROWS_AS(run_sweep({.sizes = {4}, .algorithms = {"rnig"}}, ignore), Error);
  CHECK_THROWS_AS(run_sweep({.sizes = {kMaxVerifiedRanks + 1}, .sampled = true}, ignore), Error);
}

}  // namespace tutti::test

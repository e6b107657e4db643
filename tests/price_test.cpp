// What plans cost: closed forms under simple coefficients, order in the shipped ones; the choice.
#include "collectives/price.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "collectives/explain.h"
#include "collectives/select.h"
#include "kernels/error.h"
#include "tests/catch.h"
#include "transport/bootstrap/world.h"

namespace tutti {
namespace {

// Free of any cost: tests switch on what they look at.
Coefficients nothing_costs() {
  Coefficients c;
  c.call_s = c.step_s = c.round_s = c.reduce_s = c.post_s = c.pull_s = c.view_s = c.line_s =
      c.cross_call_s = c.switch_s = 0;
  c.read = c.write = c.peer_read = c.cross_read = c.stage = c.stream = c.reclaim = {};
  c.dram_s_per_byte = 0;
  c.combine_s_per_byte = {};
  return c;
}

Caps caps_of(int size, int cpus) { return shm_caps(size, cpus, CrossMemory::kWhereCoresAreShared); }

Conditions pageable(int size, int cpus) { return {.caps = caps_of(size, cpus)}; }

Conditions mapped(int cores) {
  Caps caps = caps_of(cores, cores);
  caps.inline_bytes = 0;
  return {.caps = caps, .registered = true, .tile_bytes = 0};
}

std::vector<Plan> plans_of(std::string_view name, int size) {
  return make_plans(variant_named(Collective::kAllReduce, name, size), {.size = size});
}

double price_of(std::string_view name, int size, std::size_t count, const Coefficients& c) {
  return price(plans_of(name, size), {.count = count}, mapped(size), c);
}

CallKey all_reduce_of(std::size_t bytes) { return {.count = bytes / 4}; }

const std::vector<int> kPowers = {2, 4, 8, 16};

}  // namespace

TEST_CASE("latency is the closed form: a line a round, and one for the last receipt") {
  Coefficients c = nothing_costs();
  c.line_s = 1;
  for (const int n : {2, 3, 4, 5, 8, 9, 16}) {
    CAPTURE(n);
    const std::size_t count = 1 << 12;
    CHECK(price_of("one_shot", n, count, c) == Approx(1 + 1));
    CHECK(price_of("naive", n, count, c) == Approx(1 + 1));
    CHECK(price_of("parameter_server", n, count, c) ==
          Approx(2));  // clients are early for the next
    CHECK(price_of("two_shot", n, count, c) == Approx(2 + 1));
    CHECK(price_of("ring", n, count, c) == Approx(2 * (n - 1) + 1));
  }
  for (const int n : kPowers) {
    CAPTURE(n);
    const int rounds = std::countr_zero(static_cast<unsigned>(n));
    CHECK(price_of("recursive_doubling", n, 1 << 12, c) == Approx(rounds + 1));
    CHECK(price_of("rabenseifner", n, 1 << 12, c) == Approx(2 * rounds + 1));
  }
}

TEST_CASE("bytes pulled are the closed form") {
  Coefficients c = nothing_costs();
  c.peer_read = {1, 1, 1};
  for (const int n : kPowers) {
    CAPTURE(n);
    const std::size_t count = 1 << 12;
    const double b = 4.0 * static_cast<double>(count);
    const double f = 1 - 1.0 / n;
    const int rounds = std::countr_zero(static_cast<unsigned>(n));
    CHECK(price_of("one_shot", n, count, c) == Approx((n - 1) * b));
    CHECK(price_of("naive", n, count, c) == Approx((n - 1) * b));
    CHECK(price_of("parameter_server", n, count, c) ==
          Approx((n - 1) * b + b));  // clients in parallel
    CHECK(price_of("two_shot", n, count, c) == Approx(2 * f * b));
    CHECK(price_of("ring", n, count, c) == Approx(2 * f * b));
    CHECK(price_of("rabenseifner", n, count, c) == Approx(2 * f * b));
    CHECK(price_of("recursive_doubling", n, count, c) == Approx(rounds * b));
  }
}

TEST_CASE("what was staged past the cache is read from memory, what was staged in it is near by") {
  Coefficients c = nothing_costs();
  c.peer_read = {1, 10, 100};
  const std::vector<Plan> plans = plans_of("one_shot", 2);
  CHECK(price(plans, {.count = 512}, pageable(2, 2), c) == Approx(2048.0));
  CHECK(price(plans, {.count = 16 << 10}, pageable(2, 2), c) == Approx(65536.0));
  c.far = true;  // only then anything goes past the cache
  CHECK(price(plans, {.count = 512}, pageable(2, 2), c) == Approx(2048.0));
  CHECK(price(plans, {.count = 16 << 10}, pageable(2, 2), c) == Approx(100 * 65536.0));
}

TEST_CASE("reduced bytes of the busiest rank are the closed form") {
  for (const int n : kPowers) {
    CAPTURE(n);
    const std::size_t count = 1 << 12, b = 4 * count;
    const auto rounds = static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(n)));
    const auto others = static_cast<std::size_t>(n - 1);
    const auto reduced = [&](std::string_view name) {
      return traffic_of(plans_of(name, n), {.count = count}, mapped(n)).reduced_bytes;
    };
    const std::size_t share = b / static_cast<std::size_t>(n) * others;
    CHECK(reduced("one_shot") == others * b);
    CHECK(reduced("parameter_server") == others * b);
    CHECK(reduced("two_shot") == share);
    CHECK(reduced("ring") == share);
    CHECK(reduced("rabenseifner") == share);
    CHECK(reduced("recursive_doubling") == rounds * b);
  }
}

TEST_CASE("tiles that are not walked are extrapolated") {
  Coefficients c = nothing_costs();
  c.peer_read = {1, 1, 1};
  c.line_s = 1;
  Conditions tiled = mapped(4);
  tiled.tile_bytes = 4096;
  const Load load{.count = 40 * 1024};  // 40 tiles
  const double two_shot = price(plans_of("two_shot", 4), load, tiled, c);
  CHECK(two_shot == Approx(1.5 * 160 * 1024).epsilon(0.001));
}

TEST_CASE("no algorithm gets cheaper when there is more to do") {
  for (const int n : {2, 3, 4, 8}) {
    for (const Variant& v : variants(Collective::kAllReduce, n)) {
      const std::vector<Plan> plans = make_plans(v, {.size = n});
      double last = 0;
      for (std::size_t count = 0; count <= std::size_t{64} << 20;
           count = count == 0 ? 1 : 2 * count) {
        CAPTURE(n, v.name(), count);
        const double now = price(plans, {.count = count}, pageable(n, n));
        CHECK(now >= last * (1 - 1e-9));
        last = now;
      }
    }
  }
}

TEST_CASE("more ranks than cores cost switches, and never less than a core each") {
  Coefficients c;
  for (const Variant& v : variants(Collective::kAllReduce, 8)) {
    CAPTURE(v.name());
    const std::vector<Plan> plans = make_plans(v, {.size = 8});
    const Load load{.count = 2};
    c.switch_s = 1e-6;
    const double shared = price(plans, load, pageable(8, 2), c);
    CHECK(shared > price(plans, load, pageable(8, 8), c));
    c.switch_s = 2e-6;
    CHECK(price(plans, load, pageable(8, 2), c) > shared);
  }
}

TEST_CASE("slower arithmetic, memory and types show in the price") {
  const std::vector<Plan> plans = plans_of("two_shot", 4);
  const Load large{.count = 16 << 20};
  const Coefficients shipped;
  const double before = price(plans, large, pageable(4, 4));
  Coefficients c = shipped;
  c.dram_s_per_byte *= 100;
  CHECK(price(plans, large, pageable(4, 4), c) > 2 * before);
  CHECK(price(plans, {.count = 1 << 16, .dtype = Dtype::kF8E4M3}, pageable(4, 4)) >
        price(plans, {.count = 1 << 16, .dtype = Dtype::kI8}, pageable(4, 4)));
}

TEST_CASE("a window of one makes a sender wait for its reader") {
  const auto chatter = [](int rank) {
    PlanBuilder b({.rank = rank, .size = 2}, 8);
    b.moves_only();
    b.loop(8, [&](Expr i) { rank == 0 ? b.send(1, b.in(i)) : b.recv(0, b.out(i)); });
    return b.finish();
  };
  const std::vector<Plan> plans = {chatter(0), chatter(1)};
  Coefficients c = nothing_costs();
  c.line_s = 1;
  Conditions conditions = mapped(2);
  CHECK(price(plans, {.count = 64}, conditions, c) == Approx(2));  // there and back, once
  conditions.caps.window = 1;
  CHECK(price(plans, {.count = 64}, conditions, c) == Approx(16));
  conditions.caps.window = 4;
  CHECK(price(plans, {.count = 64}, conditions, c) == Approx(4));
}

TEST_CASE("plans that wait for each other for ever have no finite price") {
  const auto greedy = [](int rank) {
    PlanBuilder b({.rank = rank, .size = 2}, 1);
    b.recv(1 - rank, b.all_out());
    b.send(1 - rank, b.all_in());
    return b.finish();
  };
  const std::vector<Plan> plans = {greedy(0), greedy(1)};
  CHECK(std::isinf(price(plans, {.count = 64}, pageable(2, 2))));
}

TEST_CASE("all_reduce chooses few rounds when small and few bytes when large") {
  for (const int n : {4, 8}) {
    CAPTURE(n);
    const Explanation small = explain(all_reduce_of(8), n, pageable(n, n));
    for (const Explanation::Row& row : small.rows) {
      CAPTURE(row.variant.name());
      CHECK(small.rows[0].parts.latency_s <= row.parts.latency_s * 1.0001);
    }
    const Explanation large = explain(all_reduce_of(std::size_t{64} << 20), n, pageable(n, n));
    for (const Explanation::Row& row : large.rows) {
      CAPTURE(row.variant.name());
      CHECK(large.rows[0].traffic.bytes <= row.traffic.bytes);
    }
  }
}

TEST_CASE("the choice does not depend on what only one rank knows") {
  CallKey key = all_reduce_of(4096);
  const ChoiceKey plain = choice_key(key, {});
  key.in_place = true;
  CHECK(choice_key(key, {}) == plain);
}

TEST_CASE("every collective has a finite price on 1 to 9 ranks, whatever the count and root") {
  for (int c = 0; c < kCollectives; ++c) {
    for (int n = 1; n <= 9; ++n) {
      for (const std::size_t count : {0ul, 1ul, 7ul, 1000003ul}) {
        const ChoiceKey key{
            .collective = static_cast<Collective>(c), .root = n - 1, .count = count};
        const Choice choice = choose(key, n, pageable(n, 2));
        REQUIRE(!choice.candidates.empty());
        for (const Choice::Candidate& candidate : choice.candidates) {
          CAPTURE(c, n, count, candidate.variant.name());
          CHECK(candidate.seconds > 0);
          CHECK(std::isfinite(candidate.seconds));
        }
      }
    }
  }
}

TEST_CASE("a pre-scaled op costs a pass more") {
  const CallKey key = all_reduce_of(1 << 20);
  const Choice plain = choose(choice_key(key, {}), 2, pageable(2, 2));
  const Choice scaled = choose(choice_key(key, {.pre_scaled = true}), 2, pageable(2, 2));
  CHECK(scaled.candidates[scaled.chosen].seconds > plain.candidates[plain.chosen].seconds);
}

TEST_CASE("TUTTI_ALGO is read part by part") {
  const ForcedAlgorithms none = parse_forced("");
  for (const std::string& name : none) CHECK(name.empty());
  const ForcedAlgorithms forced =
      parse_forced("broadcast:binomial,all_reduce:parameter_server/shards=2");
  CHECK(forced[static_cast<int>(Collective::kAllReduce)] == "parameter_server/shards=2");
  CHECK(forced[static_cast<int>(Collective::kBroadcast)] == "binomial");
  CHECK(forced[static_cast<int>(Collective::kBarrier)].empty());
}

TEST_CASE("a wrong TUTTI_ALGO names the part that is wrong") {
  const auto complaint = [](std::string_view text) -> std::string {
    try {
      parse_forced(text);
    } catch (const Error& error) {
      CHECK(error.status() == TUTTI_INVALID);
      return error.what();
    }
    return "nothing thrown";
  };
  using Catch::Contains;
  CHECK_THAT(complaint("ring"), Contains("'ring'") && Contains("COLLECTIVE:ALGORITHM"));
  CHECK_THAT(complaint("all_reduce:"), Contains("'all_reduce:'"));
  CHECK_THAT(complaint(":ring"), Contains("':ring'"));
  CHECK_THAT(complaint("all_reduce:ring,"), Contains("''"));
  CHECK_THAT(complaint("broadcast:binomial,allreduce:ring"),
             Contains("'allreduce:ring'") && Contains("unknown collective 'allreduce'") &&
                 Contains("all_reduce, broadcast, barrier"));
  CHECK_THAT(complaint("broadcast:ring"),
             Contains("broadcast has no algorithm 'ring'") && Contains("binomial"));
  CHECK_THAT(complaint("all_reduce:ring,all_reduce:naive"),
             Contains("'all_reduce:naive'") && Contains("already forced to 'ring'"));
}

}  // namespace tutti

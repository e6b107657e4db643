// What people are told: the table, the reason, plans in words and pictures.
#include "collectives/explain.h"

#include <algorithm>
#include <string>
#include <vector>

#include "collectives/plan_text.h"
#include "kernels/names.h"
#include "tests/catch.h"
#include "transport/bootstrap/world.h"

namespace tutti {
namespace {

using Catch::Contains;
using Catch::StartsWith;

std::vector<Plan> plans_of(std::string_view name, int size,
                           Collective collective = Collective::kAllReduce, int root = 0) {
  return make_plans(variant_named(collective, name, size), {.size = size, .root = root});
}

Conditions on_two_cpus(int size) {
  return {.caps = shm_caps(size, 2, CrossMemory::kWhereCoresAreShared)};
}

}  // namespace

TEST_CASE("an explanation names the winner, all candidates and the reason") {
  const Explanation e = explain({.count = 1 << 18}, 4, on_two_cpus(4));
  const std::string text = explanation_text(e);
  INFO(text);
  CHECK_THAT(text, StartsWith("all_reduce of 1 MiB (262144 f32, sum) on 4 ranks, 2 cores"));
  for (const Variant& v : variants(Collective::kAllReduce, 4)) CHECK_THAT(text, Contains(v.name()));
  const std::string winner = e.rows[0].variant.name();
  CHECK(e.rows[0].chosen);
  CHECK_THAT(text, Contains("* " + winner));
  CHECK_THAT(text, Contains("Chosen (*): " + winner));
  CHECK(std::count(text.begin(), text.end(), '*') == 2);  // its row, and the legend
}

TEST_CASE("an explanation agrees with the choice, best first, parts adding up") {
  for (const int n : {1, 2, 3, 4, 8, 17, 64}) {
    for (const std::size_t count : {0ul, 2ul, 1ul << 14, 1ul << 24}) {
      if (n > 8 && count != 2) continue;  // many ranks take long to price
      CAPTURE(n, count);
      const CallKey key{.count = count};
      const Explanation e = explain(key, n, on_two_cpus(n));
      const Choice choice = choose(choice_key(key, {}), n, on_two_cpus(n));
      CHECK(e.rows[0].variant == choice.candidates[choice.chosen].variant);
      for (std::size_t k = 0; k < e.rows.size(); ++k) {
        const Explanation::Row& row = e.rows[k];
        CHECK(row.chosen == (k == 0));
        CHECK(row.parts.total() == Approx(row.seconds));
        CHECK(row.parts.latency_s >= 0);
        CHECK(row.parts.movement_s >= 0);
        CHECK(row.parts.reduction_s >= 0);
        CHECK(row.parts.sharing_s >= 0);
        if (k > 0) CHECK(row.ratio >= e.rows[k - 1].ratio);
      }
    }
  }
}

TEST_CASE("an explanation tells which algorithms keep rank order, and which are canonical") {
  const Explanation e = explain({.count = 1000}, 5, on_two_cpus(5));
  for (const Explanation::Row& row : e.rows) {
    CAPTURE(row.variant.name());
    const std::string name(row.variant.algorithm->name);
    CHECK(row.labels() == (name == "ring"                 ? ""
                           : name == "double_binary_tree" ? "in-order"
                                                          : "in-order, canonical"));
  }
  CHECK_THAT(explanation_text(e), Contains("in-order, canonical\n"));
}

TEST_CASE("an explanation of a reproducible call has canonical candidates only") {
  const Explanation e = explain({.count = 1000, .reproducible = true}, 5, on_two_cpus(5));
  CHECK(e.rows.size() + 2 == variants(Collective::kAllReduce, 5).size());
  for (const Explanation::Row& row : e.rows) CHECK(row.canonical);
  CHECK_THAT(explanation_text(e),
             StartsWith("all_reduce of 3.9 KiB (1000 f32, sum, reproducible)"));
}

TEST_CASE("the traffic of many tiles is that of few, as many times") {
  const Conditions conditions = on_two_cpus(4);
  for (const Variant& v : variants(Collective::kAllReduce, 4)) {
    CAPTURE(v.name());
    const std::vector<Plan> plans = make_plans(v, {.size = 4});
    const std::size_t count = std::size_t{1} << 28;  // 1 GiB
    const Traffic one = traffic_of(plans, {.count = count}, conditions);
    const Traffic many = traffic_of(plans, {.count = 1024 * count}, conditions);
    REQUIRE(one.tiles >= 1024);
    CHECK(many.tiles == 1024 * std::uint64_t{one.tiles});
    CHECK(static_cast<double>(many.messages) == Approx(1024.0 * static_cast<double>(one.messages)));
    CHECK(static_cast<double>(many.bytes) == Approx(1024.0 * static_cast<double>(one.bytes)));
    CHECK(static_cast<double>(many.reduced_bytes) ==
          Approx(1024.0 * static_cast<double>(one.reduced_bytes)));
  }
}

TEST_CASE("a collective with one algorithm says so") {
  const std::string text =
      explanation_text(explain({.collective = Collective::kBarrier}, 3, on_two_cpus(3)));
  CHECK_THAT(text, StartsWith("barrier on 3 ranks, 2 cores"));
  CHECK_THAT(text, Contains("dissemination is the only one there is"));
}

TEST_CASE("a rooted call is told with its root") {
  const CallKey key{.collective = Collective::kBroadcast, .root = 2, .count = 16};
  const std::string text = explanation_text(explain(key, 3, on_two_cpus(3)));
  CHECK_THAT(text, StartsWith("broadcast of 64 B (16 f32, root 2) on 3 ranks"));
}

TEST_CASE("ranks that differ only by their number share one text") {
  const std::string text = plans_text(plans_of("ring", 4));
  INFO(text);
  CHECK_THAT(text, StartsWith("every rank\n"));
  CHECK_THAT(text, Contains("send    → rank+1: in[rank]"));
  CHECK_THAT(text, Contains("reduce  out[rank-1-i] = (from rank-1) + in[rank-1-i]"));
  CHECK_THAT(text, Contains("for i in 0 … 1:"));
  CHECK_THAT(text, Contains("(final)"));
  CHECK_THAT(text, Contains("recv    out[rank-i] from rank-1"));
}

TEST_CASE("ranks with different parts get texts of their own") {
  const std::string server = plans_text(plans_of("parameter_server", 4));
  INFO(server);
  CHECK_THAT(server, StartsWith("rank 0\n"));
  CHECK_THAT(server, Contains("ranks 1-3\n"));
  const std::string tree = plans_text(plans_of("binomial", 4, Collective::kBroadcast, 1));
  INFO(tree);
  CHECK_THAT(tree, Contains("rank 1\n") && Contains("copy    out = in"));
}

TEST_CASE("nothing is added to a loop's variable where the last rank sends to all") {
  PlanBuilder b({.rank = 2, .size = 3}, 1);
  b.tiles([&] { b.peers([&](Expr peer) { b.send(peer, b.all_in()); }); });
  CHECK_THAT(plans_text(std::vector<Plan>{b.finish()}), Contains("send    → i: in\n"));
}

TEST_CASE("every plan has words, and its picture shows each message twice") {
  for (int c = 0; c < kCollectives; ++c) {
    const auto collective = static_cast<Collective>(c);
    for (int n = 1; n <= 9; ++n) {
      for (const Variant& v : variants(collective, n)) {
        CAPTURE(n, v.name());
        const std::vector<Plan> plans = make_plans(v, {.size = n, .root = n / 2});
        CHECK(!plans_text(plans).empty());
        CHECK(plans_text(plans).find('?') == std::string::npos);
        CHECK_THAT(plans_picture(plans), Contains("rank " + std::to_string(n - 1)));
      }
    }
  }
}

TEST_CASE("the picture of a ring is its space-time diagram") {
  const std::string expected =
      " round │ rank 0               │ rank 1               │ rank 2\n"
      "───────┼──────────────────────┼──────────────────────┼──────────────────────\n"
      " 1     │ in[0] → 1            │ in[1] → 2            │ in[2] → 0\n"
      "───────┼──────────────────────┼──────────────────────┼──────────────────────\n"
      " 2     │ out[2] ← (2) + in[2] │ out[0] ← (0) + in[0] │ out[1] ← (1) + in[1]\n"
      "       │ out[2] → 1           │ out[0] → 2           │ out[1] → 0\n"
      "───────┼──────────────────────┼──────────────────────┼──────────────────────\n"
      " 3     │ out[1] ← (2) + in[1] │ out[2] ← (0) + in[2] │ out[0] ← (1) + in[0]\n"
      "       │ out[1] → 1           │ out[2] → 2           │ out[0] → 0\n"
      "───────┼──────────────────────┼──────────────────────┼──────────────────────\n"
      " 4     │ out[0] ← (2)         │ out[1] ← (0)         │ out[2] ← (1)\n"
      "       │ out[0] → 1           │ out[1] → 2           │ out[2] → 0\n"
      "───────┼──────────────────────┼──────────────────────┼──────────────────────\n"
      " 5     │ out[2] ← (2)         │ out[0] ← (0)         │ out[1] ← (1)\n";
  CHECK(plans_picture(plans_of("ring", 3)) == expected);
}

TEST_CASE("times and sizes are written for people") {
  CHECK(time_text(0) == "0 ns");
  CHECK(time_text(216e-9) == "216 ns");
  CHECK(time_text(1.5e-6) == "1.50 us");
  CHECK(time_text(0.0123) == "12.30 ms");
  CHECK(time_text(2) == "2.00 s");
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1536) == "1.5 KiB");
  CHECK(bytes_text(64 << 20) == "64 MiB");
  CHECK(op_name(TUTTI_AVG) == "avg");
  CHECK(op_name(0x100) == "created op 256");
}

}  // namespace tutti

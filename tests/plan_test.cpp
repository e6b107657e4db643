// Generators, the table that names them, the pass that inserts drains, and what plans promise.
#include <algorithm>
#include <set>
#include <string>
#include <type_traits>

#include "collectives/algorithms.h"
#include "collectives/geometry.h"
#include "collectives/hash.h"
#include "kernels/error.h"
#include "tests/catch.h"
#include "tests/mutants.h"

namespace tutti::test {
namespace {

template <typename Visit>
void for_each_shape(int most, Visit visit) {
  for (int size = 1; size <= most; ++size) {
    for (int c = 0; c < kCollectives; ++c) {
      for (const Variant& v : variants(static_cast<Collective>(c), size)) {
        for (int rank = 0; rank < size; ++rank)
          visit(v, Shape{.rank = rank, .size = size, .root = size / 2});
      }
    }
  }
}

std::string error_of(Collective collective, const std::string& name, int size) {
  try {
    variant_named(collective, name, size);
  } catch (const Error& e) {
    CHECK(e.status() == TUTTI_NOT_FOUND);
    return e.what();
  }
  return "";
}

std::size_t steps_of(Plan (*generate)(const Shape&), int size) {
  return generate({.rank = 1, .size = size}).steps.size();
}

const Algorithm& algorithm(std::string_view name) {
  return *std::ranges::find(algorithms(), name, &Algorithm::name);
}

std::vector<Step> steps_of_kind(const Plan& plan, Step::Op op) {
  std::vector<Step> found;
  std::ranges::copy_if(plan.steps, std::back_inserter(found),
                       [&](const Step& s) { return s.op == op; });
  return found;
}

}  // namespace

TEST_CASE("a plan holds no pointers, and its steps can be copied as bytes") {
  CHECK(std::is_trivially_copyable_v<Step>);
  CHECK(std::is_trivially_copyable_v<Operand>);
}

TEST_CASE("a generator emits the same plan for the same shape, with its hash") {
  for_each_shape(9, [](const Variant& v, const Shape& shape) {
    const Plan plan = make_plan(v, shape);
    CHECK(plan.hash == make_plan(v, shape).hash);
    CHECK(plan.hash == hash_of(plan));
  });
}

TEST_CASE("the hash covers every part of a plan") {
  const Plan plan = make_plan({&algorithm("double_binary_tree"), 1}, {.rank = 1, .size = 5});
  std::set<std::uint64_t> hashes = {plan.hash};
  std::size_t mutants = 0;
  for_each_mutant(plan, [&](std::string_view, std::uint32_t, const Plan& mutant) {
    ++mutants;
    hashes.insert(mutant.hash);
  });
  CHECK(mutants > 50);
  CHECK(hashes.size() > mutants * 3 / 4);  // some mutants are the same plan
}

TEST_CASE("a plan's length does not depend on the ranks, or only on their logarithm") {
  for (const Algorithm& a : algorithms()) {
    INFO(a.name);
    CHECK(steps_of(a.generate, 1024) <= steps_of(a.generate, 32) * 2);
    CHECK(steps_of(a.generate, 1024) < 70);
  }
}

TEST_CASE("in place and out of place send the same messages") {
  for_each_shape(9, [](const Variant& v, Shape shape) {
    const Plan apart = make_plan(v, shape);
    shape.in_place = true;
    const Plan same = make_plan(v, shape);
    const auto x = steps_of_kind(apart, Step::Op::kSend), y = steps_of_kind(same, Step::Op::kSend);
    REQUIRE(x.size() == y.size());
    for (std::size_t k = 0; k < x.size(); ++k) {
      CHECK(x[k].peer.index == y[k].peer.index);
      CHECK(x[k].ref.first == y[k].ref.first);
      CHECK(x[k].ref.total == y[k].ref.total);
    }
    CHECK(apart.scratch_slots == same.scratch_slots);
  });
}

TEST_CASE("all ranks of a world cut a call into the same number of tiles") {
  for_each_shape(9, [](const Variant& v, Shape shape) {
    const Plan mine = make_plan(v, shape);
    shape.rank = 0;
    shape.in_place = true;
    const Plan theirs = make_plan(v, shape);
    for (const std::size_t count : {0ul, 1ul, 1000ul, 1ul << 20})
      CHECK(trips_for(mine, count, 4, 65536, 262144) == trips_for(theirs, count, 4, 65536, 262144));
  });
}

TEST_CASE("a world of one copies its input, or does nothing") {
  const Variant ring{&algorithm("ring"), 1};
  const Plan plan = make_plan(ring, {.rank = 0, .size = 1});
  REQUIRE(steps_of_kind(plan, Step::Op::kReduce).size() == 1);
  CHECK(steps_of_kind(plan, Step::Op::kReduce)[0].finish);
  CHECK(steps_of_kind(make_plan(ring, {.pre_scaled = true}), Step::Op::kScale).size() == 1);
  CHECK(make_plan({&algorithm("dissemination"), 1}, {}).steps.empty());
  CHECK(make_plan({&algorithm("binomial"), 1}, {.in_place = true}).steps.empty());
}

TEST_CASE("names lead to algorithms, and unknown ones list what there is") {
  CHECK(variant_named(Collective::kAllReduce, "ring", 4).name() == "ring");
  const Variant server = variant_named(Collective::kAllReduce, "parameter_server/shards=3", 4);
  CHECK(server.shards == 3);
  CHECK(server.name() == "parameter_server/shards=3");
  CHECK(variant_named(Collective::kAllReduce, "parameter_server/shards=1", 4).name() ==
        "parameter_server");
  for (const char* name : {"rnig", "", "ring/shards=2", "parameter_server/shards=5",
                           "parameter_server/shards=0", "parameter_server/shards=-1",
                           "parameter_server/shards=2x", "parameter_server/chards=2", "binomial"}) {
    const std::string text = error_of(Collective::kAllReduce, name, 4);
    INFO(name << ": " << text);
    CHECK(text.find(std::string("\"") + name + "\"") != std::string::npos);
    CHECK(text.find("two_shot") != std::string::npos);
  }
}

TEST_CASE("as many shards as ranks are the two-shot exchange, listed once") {
  CHECK(variant_named(Collective::kAllReduce, "parameter_server/shards=4", 4).name() == "two_shot");
  for (int size = 1; size <= 9; ++size) {
    std::set<std::string> names;
    const std::vector<Variant> all = variants(Collective::kAllReduce, size);
    for (const Variant& v : all) {
      names.insert(v.name());
      CHECK(variant_named(Collective::kAllReduce, v.name(), size) == v);
      CHECK((v.shards == 1 || v.shards < size));
    }
    CHECK(names.size() == all.size());
  }
}

TEST_CASE("a drain is inserted before a write that hits what was sent") {
  PlanBuilder b({.rank = 0, .size = 2, .in_place = true}, 2);
  b.send(1, b.in(0));
  b.send(1, b.in(1));
  b.recv(1, b.out(0));  // hits the first send: all but the newest one must be read
  b.recv(1, b.out(1));
  const Plan plan = b.finish();
  const auto drains = steps_of_kind(plan, Step::Op::kDrain);
  REQUIRE(drains.size() == 2);
  CHECK(plan.steps[2].op == Step::Op::kDrain);
  CHECK(drains[0].lag == 1);
  CHECK(drains[1].lag == 0);
}

TEST_CASE("no drain is inserted where nothing that was sent is written") {
  PlanBuilder apart({.rank = 0, .size = 2}, 2);
  apart.send(1, apart.in(0));
  apart.recv(1, apart.out(0));
  CHECK(steps_of_kind(apart.finish(), Step::Op::kDrain).empty());

  PlanBuilder other({.rank = 0, .size = 2, .in_place = true}, 2);
  other.tiles([&] {
    other.send(1, other.in(0));
    other.recv(1, other.out(1));
  });
  CHECK(steps_of_kind(other.finish(), Step::Op::kDrain).empty());
}

TEST_CASE("scratch that is written again in the next tile is drained first") {
  PlanBuilder b({.rank = 0, .size = 2}, 1, 1);
  b.tiles([&] {
    b.copy(b.all_scratch(0), b.all_in());
    b.send(1, b.all_scratch(0));
    b.recv(1, b.all_out());
  });
  const Plan plan = b.finish();
  REQUIRE(plan.steps[1].op == Step::Op::kDrain);
  CHECK(plan.steps[1].lag == 0);
  CHECK(plan.steps.back().jump == 0);  // the loop still ends where it began
}

TEST_CASE("a ring in place drains as far back as it lent") {
  const Plan plan = make_plan({&algorithm("ring"), 1}, {.rank = 2, .size = 5, .in_place = true});
  for (const Step& s : steps_of_kind(plan, Step::Op::kDrain)) CHECK(s.lag == 4);
  CHECK(steps_of_kind(plan, Step::Op::kDrain).size() == 2);
}

TEST_CASE("a lane cursor runs through loops of tiles and rounds") {
  PlanBuilder b({.rank = 0, .size = 4}, 4);
  b.tiles([&] {
    b.loop(2, [&](Expr i) { b.loop(3, [&](Expr j) { b.send(1, b.in(3 * i + j)); }); });
    b.loop(0, [&](Expr) { b.send(2, b.nothing()); });
  });
  const Plan plan = b.finish();
  std::vector<std::uint32_t> seen;
  for (LaneCursor at(plan, 0, 2); at.step() != nullptr; at.advance())
    seen.push_back(100 * at.vars().t + 10 * at.vars().i + at.vars().j);
  CHECK(seen == std::vector<std::uint32_t>{0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112});
}

TEST_CASE("chunks of one tile follow each other without gaps, whatever the count") {
  PlanBuilder b({.rank = 0, .size = 2}, 5);
  const Ref whole = b.all_in();
  std::vector<Ref> chunks;
  for (int k = 0; k < 5; ++k) chunks.push_back(b.in(k));
  b.send(1, whole);
  const Plan plan = b.finish();
  for (const std::size_t count : {0ul, 1ul, 4ul, 5ul, 6ul, 13ul, 1000ul}) {
    for (const std::uint32_t trips : {1u, 2u, 9u}) {
      const Geometry geometry(plan, count, trips);
      std::size_t at = 0;
      for (LoopVars v; v.t < trips; ++v.t) {
        for (const Ref& ref : chunks) {
          const Range r = geometry.one_range(ref, v).value();
          CHECK(r.begin == at);
          at += r.count;
          CHECK(geometry.count_of(ref, v) == r.count);
        }
      }
      CHECK(at == count);
    }
  }
}

TEST_CASE("a range of chunks that wraps around comes in message order") {
  PlanBuilder b({.rank = 0, .size = 2}, 4);
  const Ref ref = b.in(3, 2);
  b.send(1, ref);
  const Plan plan = b.finish();
  const Geometry geometry(plan, 8, 1);
  std::vector<std::size_t> begins;
  geometry.for_each_range(ref, {}, [&](Range r) { begins.push_back(r.begin); });
  CHECK(begins == std::vector<std::size_t>{6, 0});
  CHECK(geometry.count_of(ref, {}) == 4);
  CHECK(geometry.count_of(b.nothing(), {}) == 0);
}

}  // namespace tutti::test

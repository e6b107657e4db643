// Reproducible mode: the same bits from every algorithm, for every size, between threads and
// processes, and from one thread that replays the call.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "collectives/algorithms.h"
#include "collectives/hash.h"
#include "collectives/verify.h"
#include "tests/c_api_kit.h"
#include "tests/catch.h"
#include "tests/kernel_operands.h"
#include "tests/ranks.h"
#include "tests/reductions.h"
#include "tests/settings.h"
#include "tests/variable.h"
#include "tutti/tutti.h"

namespace tutti::test {
namespace {

const int kMaxRanks = static_cast<int>(setting("TUTTI_COLLECTIVES_RANKS", 9));

// Inputs of all ranks, alike on all of them.
std::vector<Bytes> inputs_of(Dtype dtype, std::size_t ranks, std::size_t count) {
  Random random(test_seed());
  Arrays arrays(dtype, ranks, count, 0);
  arrays.fill(random);
  std::vector<Bytes> inputs;
  for (std::size_t r = 0; r < ranks; ++r)
    inputs.emplace_back(arrays[r], arrays[r] + arrays.bytes());
  return inputs;
}

Bytes replayed(const std::vector<Bytes>& inputs, Dtype dtype, tutti_op op) {
  std::vector<const void*> pointers;
  for (const Bytes& input : inputs) pointers.push_back(input.data());
  Bytes result(inputs[0].size());
  ok(tutti_replay_reduce(pointers.data(), result.data(), result.size() / tutti::size_of(dtype),
                         static_cast<tutti_dtype>(dtype), op, static_cast<int>(inputs.size())),
     nullptr);
  return result;
}

std::vector<std::pair<Dtype, tutti_op>> all_pairs() {
  std::vector<std::pair<Dtype, tutti_op>> all;
  for (const Dtype dtype : all_dtypes()) {
    for (tutti_op op = TUTTI_SUM; op <= TUTTI_MAX_INDEX; ++op) {
      try {
        if (predefined_op(op, dtype)) all.emplace_back(dtype, op);
      } catch (const Error&) {  // the dtype has no such op
      }
    }
  }
  return all;
}

void replay_everywhere(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  for (const auto& [dtype, op] : all_pairs()) {
    const bool rounds = op == TUTTI_SUM || op == TUTTI_AVG || op == TUTTI_PROD;
    for (const std::size_t count : {1U, 131U, 20'011U}) {
      if (!rounds && count != 131) continue;
      for (const Collective collective : kReducing) {
        Reduction r{collective, dtype, op, count, static_cast<int>(count) % ranks};
        r.reproducible = true;
        const auto inputs = inputs_of(dtype, static_cast<std::size_t>(ranks), r.input_count(ranks));
        const Bytes expected = replayed(inputs, dtype, op);
        const CallKey key{.collective = collective, .root = r.root, .reproducible = true};
        int turn = 0;
        each_algorithm(key, {}, ranks, [&](const char* algorithm, bool serves) {
          // Of ops that do not round, the algorithms take turns.
          if (!serves || (!rounds && ++turn % 4 != ranks % 4)) return;
          r.algorithm = algorithm;
          r.in_place = !r.in_place;
          expect(r.gives(expected, rank, inputs[static_cast<std::size_t>(rank)], comm),
                 r.name() + ": other bits than replayed; seed " + std::to_string(test_seed()));
        });
      }
    }
  }
}

std::vector<std::string> candidates(tutti_comm* comm) {
  std::vector<std::string> names;
  tutti_candidate_info info = TUTTI_CANDIDATE_INFO_INIT;
  for (std::size_t k = 0;
       tutti_candidate(TUTTI_ALL_REDUCE, 1000, TUTTI_F32, TUTTI_SUM, comm, k, &info) == TUTTI_OK;
       ++k)
    names.emplace_back(info.name);
  return names;
}

}  // namespace

TEST_CASE(
    "reproducible calls have the replay's bits: every algorithm, size, dtype and op; threads") {
  test_seed();  // one for all ranks
  for (int ranks = 1; ranks <= kMaxRanks; ++ranks)
    CHECK(run_ranks(RankKind::kThreads, ranks, replay_everywhere) == "");
}

TEST_CASE(
    "reproducible calls have the replay's bits: every algorithm, size, dtype and op; "
    "processes",
    "[processes]") {
  test_seed();
  for (const int ranks : {2, 3, 6, 7})
    if (ranks <= kMaxRanks) CHECK(run_ranks(RankKind::kProcesses, ranks, replay_everywhere) == "");
}

// Else the tests above would say nothing.
TEST_CASE("without reproducible mode, bits depend on the algorithm") {
  test_seed();
  CHECK(run_ranks(RankKind::kThreads, 5, [](int rank, tutti_comm* comm) {
          for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
            const auto inputs = inputs_of(dtype, 5, 20'000);
            const Bytes expected = replayed(inputs, dtype, TUTTI_SUM);
            for (const char* algorithm : {"ring", "one_shot"}) {
              const Reduction r{.collective = Collective::kAllReduce,
                                .dtype = dtype,
                                .op = TUTTI_SUM,
                                .count = 20'000,
                                .algorithm = algorithm};
              expect(!r.gives(expected, rank, inputs[static_cast<std::size_t>(rank)], comm),
                     r.name() + " has the replay's bits");
            }
          }
        }) == "");
}

TEST_CASE(
    "an algorithm of another tree is refused in reproducible mode, and those named that serve") {
  CHECK(run_ranks(RankKind::kThreads, 3, [](int /*rank*/, tutti_comm* comm) {
          std::vector<float> values(10, 1.0F);
          const Reduction r{.collective = Collective::kAllReduce,
                            .dtype = Dtype::kF32,
                            .op = TUTTI_SUM,
                            .count = 10,
                            .algorithm = "ring",
                            .reproducible = true};
          expect(r.call(values.data(), values.data(), comm) == TUTTI_INVALID, "not refused");
          const std::string text = tutti_error_text(comm);
          expect(text.find("algorithm ring does not combine in the canonical tree of reproducible "
                           "mode; those that do: parameter_server, ") != std::string::npos,
                 text);
          ok(tutti_barrier(comm, nullptr), comm);  // the communicator goes on
        }) == "");
}

TEST_CASE("TUTTI_REPRODUCIBLE makes every reduction reproducible, and moves are left alone") {
  const Variable variable("TUTTI_REPRODUCIBLE", "1");
  test_seed();
  CHECK(run_ranks(RankKind::kThreads, 5, [](int rank, tutti_comm* comm) {
          const auto inputs = inputs_of(Dtype::kBF16, 5, 3000);
          const Bytes expected = replayed(inputs, Dtype::kBF16, TUTTI_SUM);
          const Reduction r{.collective = Collective::kAllReduce,
                            .dtype = Dtype::kBF16,
                            .op = TUTTI_SUM,
                            .count = 3000};
          expect(r.gives(expected, rank, inputs[static_cast<std::size_t>(rank)], comm),
                 "other bits than replayed");
          const auto names = candidates(comm);
          expect(!names.empty(), "no candidate");
          for (const std::string& name : names)
            expect(name != "ring" && name != "double_binary_tree", name + " is a candidate");
          float value = 1;
          tutti_options options = TUTTI_OPTIONS_INIT;
          options.algorithm = "chain";
          ok(tutti_broadcast(&value, &value, 1, TUTTI_F32, 0, comm, &options), comm);
        }) == "");
}

TEST_CASE("TUTTI_REPRODUCIBLE is 0 or 1") {
  const Variable variable("TUTTI_REPRODUCIBLE", "yes");
  tutti_comm* comm = nullptr;
  CHECK(tutti_start(&comm, nullptr) == TUTTI_INVALID);
  CHECK(says(nullptr, "TUTTI_REPRODUCIBLE is 'yes': not one of 0, 1"));
}

TEST_CASE("a rank that is reproducible and one that is not are a mismatch") {
  CHECK(run_ranks(RankKind::kThreads, 2, [](int rank, tutti_comm* comm) {
          std::vector<float> values(10, 1.0F);
          const Reduction r{.collective = Collective::kAllReduce,
                            .dtype = Dtype::kF32,
                            .op = TUTTI_SUM,
                            .count = 10,
                            .algorithm = "one_shot",
                            .reproducible = rank == 1};
          expect(r.call(values.data(), values.data(), comm) == TUTTI_MISMATCH, "went through");
          const std::string text = tutti_error_text(comm);
          expect(text.find("rank 1: all_reduce #1 (sum, f32, count 10, reproducible)") !=
                     std::string::npos,
                 text);
        }) == "");
}

TEST_CASE("a plan that falsely says that it is canonical is caught") {
  for (const char* name : {"ring", "double_binary_tree"}) {
    const Variant variant = variant_named(Collective::kAllReduce, name, 3);
    std::vector<Plan> plans = make_plans(variant, {.size = 3, .reproducible = true});
    const Claim claim{.collective = Collective::kAllReduce, .count = 7};
    CHECK(verify(plans, claim).ok());
    CHECK_FALSE(verify(plans, claim).canonical);
    for (Plan& plan : plans) {
      plan.canonical = true;
      plan.hash = hash_of(plan);
    }
    const std::string fault = verify(plans, claim).fault;
    INFO(fault);
    CHECK(fault.find("is not combined in the canonical tree, and the plan says") != fault.npos);
  }
}

TEST_CASE("a plan whose last sum is not rounded before it is divided is not canonical") {
  const Variant variant = variant_named(Collective::kAllReduce, "recursive_doubling", 2);
  const Claim claim{.collective = Collective::kAllReduce, .count = 1};
  CHECK(verify(make_plans(variant, {.size = 2, .reproducible = true}), claim).canonical);
  CHECK_FALSE(verify(make_plans(variant, {.size = 2}), claim).canonical);
}

TEST_CASE("a replay that makes no sense is refused") {
  const float one = 1, two = 2;
  const void* inputs[] = {&one, &two};
  const void* gap[] = {&one, nullptr};
  float result = 7;
  const auto refused = [&](const void* const* from, void* to, std::size_t count, tutti_dtype dtype,
                           tutti_op op, int size, const char* reason) {
    CHECK(tutti_replay_reduce(from, to, count, dtype, op, size) == TUTTI_INVALID);
    CHECK(says(nullptr, reason));
  };
  refused(nullptr, &result, 1, TUTTI_F32, TUTTI_SUM, 2, "inputs is NULL");
  refused(gap, &result, 1, TUTTI_F32, TUTTI_SUM, 2, "inputs[1] is NULL");
  refused(inputs, nullptr, 1, TUTTI_F32, TUTTI_SUM, 2, "result is NULL");
  refused(inputs, &result, 1, TUTTI_F32, TUTTI_SUM, 0, "size is 0: at least 1");
  refused(inputs, &result, 1, 99, TUTTI_SUM, 2, "unknown dtype 99");
  refused(inputs, &result, 1, TUTTI_F32, 256, 2, "op 256 is not predefined");
  refused(inputs, &result, 1, TUTTI_F32, TUTTI_BAND, 2, "op band takes integers only, not f32");
  refused(inputs, &result, static_cast<std::size_t>(-1), TUTTI_F32, TUTTI_SUM, 2, "count is");
  CHECK(result == 7);
  CHECK(tutti_replay_reduce(nullptr, nullptr, 0, TUTTI_F32, TUTTI_SUM, 2) == TUTTI_OK);
  CHECK(tutti_replay_reduce(inputs, &result, 1, TUTTI_F32, TUTTI_AVG, 2) == TUTTI_OK);
  CHECK(result == 1.5F);
}

}  // namespace tutti::test

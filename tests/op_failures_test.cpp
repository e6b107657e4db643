// What happens when an op's function misbehaves, and what ops are refused.
#include <csetjmp>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/c_api_kit.h"
#include "tests/catch.h"
#include "tests/ranks.h"
#include "tests/reductions.h"
#include "tutti/tutti.h"

namespace tutti::test {
namespace {

void add_up(const void* in, void* inout, std::size_t count, tutti_dtype /*dtype*/,
            void* /*context*/) {
  const auto* const from = static_cast<const std::int32_t*>(in);
  auto* const to = static_cast<std::int32_t*>(inout);
  for (std::size_t e = 0; e < count; ++e) to[e] += from[e];
}

enum class Misdeed { kThrow, kThrowNumber, kJump, kCallTutti };

struct Plot {
  Misdeed misdeed;
  tutti_comm* comm;
  std::jmp_buf way_out{};
  tutti_status status = TUTTI_OK;
  std::string text{};
  std::vector<std::int32_t> values{};
};

void misbehave(const void* /*in*/, void* /*inout*/, std::size_t /*count*/, tutti_dtype /*dtype*/,
               void* context) {
  auto* const plot = static_cast<Plot*>(context);
  switch (plot->misdeed) {
    case Misdeed::kThrow:
      throw std::runtime_error("boom");
    case Misdeed::kThrowNumber:
      throw 42;  // NOLINT: whatever a caller may do
    case Misdeed::kJump:
      std::longjmp(plot->way_out, 1);
    case Misdeed::kCallTutti:
      plot->status = tutti_barrier(plot->comm, nullptr);
      plot->text = tutti_error_text(nullptr);
  }
}

// Rank 1's function does the misdeed, the others' add up.
tutti_op create(int rank, Plot& plot, tutti_comm* comm) {
  tutti_op op = 0;
  ok(tutti_op_create(&op, rank == 1 ? misbehave : add_up, &plot, 1, comm), comm);
  return op;
}

void expect_failed(tutti_status status, const std::string& text, const std::string& cause) {
  expect(status == TUTTI_OP_FAILED, "status " + std::to_string(status) + ": " + text);
  const std::string call = "rank 1: all_reduce #1 (created op 256, i32, count 100): ";
  expect(text.find(call + cause) != std::string::npos, text);
}

void throw_in(Misdeed misdeed, const char* cause, RankKind kind) {
  CHECK(run_ranks(kind, 3, [&](int rank, tutti_comm* comm) {
          Plot plot{misdeed, comm};
          const tutti_op op = create(rank, plot, comm);
          std::vector<std::int32_t> values(100, 1);
          // A peer may have got all that it needs before rank 1 fails: then it hears in its next.
          tutti_status status = tutti_all_reduce(values.data(), values.data(), values.size(),
                                                 TUTTI_I32, op, comm, nullptr);
          if (status == TUTTI_OK && rank != 1) status = tutti_barrier(comm, nullptr);
          expect_failed(status, tutti_error_text(comm), cause);
          expect_failed(tutti_barrier(comm, nullptr), tutti_error_text(comm), cause);
        }) == "");
}

// What may change between setjmp() and longjmp() is the plot's.
[[gnu::noinline]] tutti_status jump_out(Plot& plot, const Reduction& r, tutti_request** request) {
  plot.values.assign(r.count, 1);
  if (setjmp(plot.way_out) != 0) return TUTTI_OK;  // NOLINT: what is tested
  tutti_options options = TUTTI_OPTIONS_INIT;
  options.request = request;
  plot.status = tutti_all_reduce(plot.values.data(), plot.values.data(), r.count, TUTTI_I32, r.op,
                                 plot.comm, &options);
  if (plot.status == TUTTI_OK && request != nullptr) plot.status = tutti_wait(*request);
  return plot.status;
}

void jump_in(RankKind kind, bool non_blocking, bool relatives) {
  CHECK(run_ranks(kind, 3, [&](int rank, tutti_comm* comm) {
          tutti_comm* sibling = nullptr;
          if (relatives) ok(tutti_comm_duplicate(&sibling, comm), comm);
          Plot plot{Misdeed::kJump, comm};
          const Reduction r{Collective::kAllReduce, Dtype::kI32, create(rank, plot, comm), 100};
          tutti_request* request = nullptr;
          tutti_status status = jump_out(plot, r, non_blocking ? &request : nullptr);
          if (status == TUTTI_OK) status = tutti_barrier(comm, nullptr);
          expect(status == TUTTI_OP_FAILED, "status " + std::to_string(status));
          const std::string text = tutti_error_text(comm);
          expect(text.find("the op's function left it by longjmp()") != std::string::npos, text);
          expect(text.find("rank 1: all_reduce #") != std::string::npos, text);
          ok(tutti_comm_free(sibling), nullptr);
        }) == "");
}

}  // namespace

TEST_CASE("a function that throws fails its call on every rank, with its words") {
  for (const RankKind kind : {RankKind::kProcesses, RankKind::kThreads}) {
    throw_in(Misdeed::kThrow, "the op's function threw an exception: boom", kind);
    throw_in(Misdeed::kThrowNumber, "the op's function threw an exception", kind);
  }
}

TEST_CASE("a function that leaves by longjmp is told of in the next call, and the peers hear") {
  for (const RankKind kind : {RankKind::kProcesses, RankKind::kThreads})
    for (const bool non_blocking : {false, true})
      for (const bool relatives : {false, true}) jump_in(kind, non_blocking, relatives);
}

TEST_CASE("a rank whose function left by longjmp can finish") {
  CHECK(run_configs(RankKind::kThreads, 2, [](const tutti_config& config) {
          tutti_comm* comm = nullptr;
          ok(tutti_start(&comm, &config), nullptr);
          Plot plot{Misdeed::kJump, comm};
          const tutti_op op = create(config.rank, plot, comm);
          const tutti_status status =
              jump_out(plot, {Collective::kAllReduce, Dtype::kI32, op, 100}, nullptr);
          expect(status == TUTTI_OK || status == TUTTI_OP_FAILED, "status");
          ok(tutti_finish(comm), nullptr);
        }) == "");
}

TEST_CASE("a function that calls Tutti is refused there, and its call goes on") {
  CHECK(run_ranks(RankKind::kThreads, 2, [](int rank, tutti_comm* comm) {
          Plot plot{Misdeed::kCallTutti, comm};
          const tutti_op op = create(rank, plot, comm);
          std::int32_t value = 1;
          ok(tutti_all_reduce(&value, &value, 1, TUTTI_I32, op, comm, nullptr), comm);
          if (rank == 1) {
            expect(plot.status == TUTTI_INVALID, "not refused");
            expect(plot.text == "an op's function called Tutti: it must not", plot.text);
          }
          ok(tutti_barrier(comm, nullptr), comm);
        }) == "");
}

TEST_CASE("bad ops are refused, and pairs with ops for numbers") {
  const Alone comm;
  tutti_op op = 77;
  CHECK(tutti_op_create(&op, nullptr, nullptr, 1, comm) == TUTTI_INVALID);
  CHECK(says(comm, "function is NULL"));
  CHECK(tutti_op_create(&op, add_up, nullptr, 2, comm) == TUTTI_INVALID);
  CHECK(says(comm, "commutative is 2: give 0 or 1"));
  CHECK(tutti_op_create(nullptr, add_up, nullptr, 1, comm) == TUTTI_INVALID);
  CHECK(says(comm, "op is NULL"));
  const double pair[2] = {};
  CHECK(tutti_op_create_pre_scaled(&op, pair, TUTTI_F64_I32, comm) == TUTTI_INVALID);
  CHECK(says(comm, "a pre-scaled sum takes numbers, not f64_i32"));
  CHECK(op == 77);

  AllReduce reduce;
  reduce.count = 1;
  reduce.dtype = TUTTI_F32_I32;
  CHECK(reduce(comm) == TUTTI_INVALID);
  CHECK(says(comm, "op sum does not take f32_i32: pairs take min_index, max_index and what "));
  reduce.dtype = TUTTI_F32;
  reduce.op = TUTTI_MIN_INDEX;
  CHECK(reduce(comm) == TUTTI_INVALID);
  CHECK(says(comm, "op min_index takes f32_i32 and f64_i32 only, not f32"));
  CHECK(reduce.untouched());

  ok(tutti_op_create(&op, add_up, nullptr, 1, comm), comm);
  CHECK(op == 256);
  reduce.op = op;
  CHECK(reduce(comm) == TUTTI_OK);
  ok(tutti_op_free(op, comm), comm);
  CHECK(reduce(comm) == TUTTI_INVALID);
  CHECK(says(comm, "unknown op 256"));
}

}  // namespace tutti::test

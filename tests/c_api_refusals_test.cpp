// Bad input, call by call: whoever is refused has changed nothing, holds nobody up, and leaves
// nothing behind.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/c_api_kit.h"
#include "tests/catch.h"
#include "tests/every_call.h"
#include "tests/ranks.h"
#include "tests/variable.h"
#include "tutti/tutti.h"

namespace {

using namespace tutti::test;

void check_all_refuse(tutti_comm* comm, const std::string& reason) {
  for (const NamedCall& row : every_call()) {
    CAPTURE(row.name);
    CHECK(row.call(comm) == TUTTI_INVALID);
    CHECK(says(comm, reason));
  }
}

std::ptrdiff_t open_descriptors() {
  namespace fs = std::filesystem;
  return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
}

/// Calls with one wrong argument each; `memory` has room for 16 floats.
std::vector<NamedCall> wrong_calls(float* memory) {
  const auto reduce = [memory](std::size_t count, tutti_dtype dtype, tutti_op op) {
    return [=](tutti_comm* c) {
      return tutti_all_reduce(memory, memory, count, dtype, op, c, nullptr);
    };
  };
  const auto broadcast = [](const float* send, float* recv, std::int32_t root) {
    return
        [=](tutti_comm* c) { return tutti_broadcast(send, recv, 8, TUTTI_F32, root, c, nullptr); };
  };
  return {
      {"count is negative or absurd: -1",
       reduce(static_cast<std::size_t>(-1), TUTTI_F32, TUTTI_SUM)},
      {"exceeds the address space", reduce(PTRDIFF_MAX, TUTTI_F64, TUTTI_SUM)},
      {"unknown dtype 14", reduce(8, 14, TUTTI_SUM)},
      {"unknown op 99", reduce(8, TUTTI_F32, 99)},
      {"recv is NULL", broadcast(memory, nullptr, 0)},
      {"root is 2", broadcast(memory, memory, 2)},
      {"root is -1", broadcast(memory, memory, -1)},
  };
}

void check_start_refused(const std::string& reason) {
  tutti_comm* comm = nullptr;
  CHECK(tutti_start(&comm, nullptr) == TUTTI_INVALID);
  CHECK(says(nullptr, reason));
  CHECK(comm == nullptr);
}

}  // namespace

// ---- The communicator ---------------------------------------------------------------------------

TEST_CASE("every call takes a good communicator, so that the next tests mean something") {
  const Alone comm;
  for (const NamedCall& row : every_call()) {
    CAPTURE(row.name);
    CHECK(row.call(comm) == TUTTI_OK);
  }
}

TEST_CASE("every call refuses a NULL communicator") {
  check_all_refuse(nullptr, "the communicator is NULL");
}

TEST_CASE("every call refuses a communicator that was never started") {
  tutti_comm* uninitialised = nullptr;
  std::memset(&uninitialised, 0xa5, sizeof(void*));
  check_all_refuse(uninitialised, "not one that tutti_start() gave");
}

TEST_CASE("every call refuses a finished communicator") {
  tutti_comm* stale = nullptr;
  {
    const Alone comm;
    stale = comm;
  }
  check_all_refuse(stale, "the communicator is finished");
}

TEST_CASE("every call refuses a communicator after a fork, and the parent goes on") {
  const Alone comm;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int wrong = tutti_finish(comm) == TUTTI_INVALID ? 0 : 1;
    for (const NamedCall& row : every_call()) {
      const bool refused = row.call(comm) == TUTTI_INVALID;
      const std::string text = tutti_error_text(nullptr);
      if (!refused || text.find("after a fork the child must call") == std::string::npos) ++wrong;
    }
    _exit(wrong);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  for (const NamedCall& row : every_call()) CHECK(row.call(comm) == TUTTI_OK);
}

// ---- Arguments ----------------------------------------------------------------------------------

TEST_CASE("a call is refused while another thread is in one") {
  std::atomic<bool> refused = false;
  CHECK(run_ranks(RankKind::kThreads, 2, [&](int rank, tutti_comm* comm) {
          std::string text;  // of the thread that is refused
          const auto barrier = [&] {
            const tutti_status status = tutti_barrier(comm, nullptr);
            if (status != TUTTI_INVALID) return status;
            text = tutti_error_text(nullptr);
            expect(tutti_finish(comm) == TUTTI_INVALID, "finished under another thread");
            refused = true;
            return status;
          };
          if (rank == 1) {  // until it comes, rank 0 stays in its barrier
            while (!refused) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            return ok(tutti_barrier(comm, nullptr), comm);
          }
          tutti_status other = TUTTI_INTERNAL;
          std::thread second([&] { other = barrier(); });
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
          const tutti_status own = barrier();
          second.join();
          expect((own == TUTTI_INVALID) != (other == TUTTI_INVALID), "both or none were refused");
          expect((own == TUTTI_OK) != (other == TUTTI_OK), "the other one failed too");
          expect(text.find("another thread is in a call of this communicator") != text.npos, text);
        }) == "");
}

TEST_CASE("a NULL buffer of a broadcast is named, and its root") {
  const Alone comm;
  float value = 1;
  CHECK(tutti_broadcast(nullptr, &value, 1, TUTTI_F32, 0, comm, nullptr) == TUTTI_INVALID);
  CHECK(says(comm, "rank 0: broadcast: send is NULL"));
  CHECK(tutti_broadcast(&value, nullptr, 1, TUTTI_F32, 0, comm, nullptr) == TUTTI_INVALID);
  CHECK(says(comm, "rank 0: broadcast: recv is NULL"));
}

TEST_CASE("a broadcast needs recv on every rank, and names it") {
  const std::string failures = run_ranks(RankKind::kThreads, 2, [](int rank, tutti_comm* comm) {
    if (rank == 0) {  // not the root
      expect(tutti_broadcast(nullptr, nullptr, 1, TUTTI_F32, 1, comm, nullptr) == TUTTI_INVALID,
             "accepted");
      const std::string text = tutti_error_text(comm);
      expect(text.find("rank 0: broadcast: recv is NULL") != std::string::npos, text);
    }
    ok(tutti_barrier(comm, nullptr), comm);  // the communicator goes on
  });
  CHECK(failures == "");
}

TEST_CASE("a broadcast reads send on its root only, elsewhere it may be NULL") {
  const std::string failures = run_ranks(RankKind::kThreads, 2, [](int rank, tutti_comm* comm) {
    const float sent = 7;
    float received = 0;
    ok(tutti_broadcast(rank == 1 ? &sent : nullptr, &received, 1, TUTTI_F32, 1, comm, nullptr),
       comm);
    expect(received == 7, "received something else");
  });
  CHECK(failures == "");
}

TEST_CASE("overlapping buffers of a broadcast are refused on its root") {
  const Alone comm;
  std::vector<float> memory(16, 1.0F);
  CHECK(tutti_broadcast(memory.data(), memory.data() + 4, 8, TUTTI_F32, 0, comm, nullptr) ==
        TUTTI_INVALID);
  CHECK(says(comm, "overlap by 16 bytes"));
  CHECK(tutti_broadcast(memory.data(), memory.data() + 8, 8, TUTTI_F32, 0, comm, nullptr) ==
        TUTTI_OK);
}

TEST_CASE("a count beyond the end of a block of registered memory is refused") {
  const Alone comm;
  std::vector<float> own(4096);
  void* block = nullptr;
  ok(tutti_alloc(&block, 8192, comm), comm);
  auto* const middle = static_cast<float*>(block) + 1024;
  const auto sum = [&](const void* send, void* recv, std::size_t count) {
    return tutti_all_reduce(send, recv, count, TUTTI_F32, TUTTI_SUM, comm, nullptr);
  };
  CHECK(sum(block, own.data(), 2049) == TUTTI_INVALID);
  CHECK(says(comm, "send has 8192 bytes up to the end of its tutti_alloc() block"));
  CHECK(says(comm, "count needs 8196"));
  CHECK(sum(own.data(), middle, 2048) == TUTTI_INVALID);
  CHECK(says(comm, "recv has 4096 bytes"));
  CHECK(sum(block, own.data(), 2048) == TUTTI_OK);
  ok(tutti_free(block, comm), comm);
  CHECK(sum(block, own.data(), 2048) == TUTTI_INVALID);
  CHECK(says(comm, "send has 0 bytes"));
}

TEST_CASE("a candidate is refused where its call would be") {
  const Alone comm;
  tutti_candidate_info info = TUTTI_CANDIDATE_INFO_INIT;
  const auto refused = [&](tutti_collective collective, std::size_t count, tutti_dtype dtype,
                           tutti_op op, const char* reason) {
    CHECK(tutti_candidate(collective, count, dtype, op, comm, 0, &info) == TUTTI_INVALID);
    CHECK(says(comm, reason));
    CHECK(info.name == nullptr);
  };
  refused(99, 1, TUTTI_F32, TUTTI_SUM, "unknown collective 99");
  refused(-1, 1, TUTTI_F32, TUTTI_SUM, "unknown collective -1");
  refused(TUTTI_ALL_REDUCE, PTRDIFF_MAX, TUTTI_F32, TUTTI_SUM, "exceeds the address space");
  refused(TUTTI_ALL_REDUCE, 1, 14, TUTTI_SUM, "unknown dtype 14");
  refused(TUTTI_ALL_REDUCE, 1, TUTTI_F32, 0, "unknown op 0");
  refused(TUTTI_ALL_REDUCE, 1, TUTTI_F32, TUTTI_BXOR, "bxor takes integers only, not f32");
}

namespace {

/// Rank 0 makes each wrong call before a right one, which rank 1 makes alone.
std::string refuse_and_go_on(RankKind kind) {
  return run_ranks(kind, 2, [](int rank, tutti_comm* comm) {
    std::vector<float> memory(16, 1.0F);
    for (const NamedCall& wrong : wrong_calls(memory.data())) {
      if (rank == 0) {
        expect(wrong.call(comm) == TUTTI_INVALID, "not refused");
        const std::string text = tutti_error_text(comm);
        expect(text.find(wrong.name) != std::string::npos, text);
        expect(text.find("rank 0: ") == 0, text);
      }
      memory.assign(16, 1.0F);
      ok(tutti_all_reduce(memory.data(), memory.data(), 16, TUTTI_F32, TUTTI_SUM, comm, nullptr),
         comm);
      expect(memory == std::vector<float>(16, 2.0F), "wrong sum after " + std::string(wrong.name));
    }
  });
}

}  // namespace

TEST_CASE("a rank that is refused may try again, and its peers notice nothing: threads") {
  CHECK(refuse_and_go_on(RankKind::kThreads) == "");
}

TEST_CASE("a rank that is refused may try again, and its peers notice nothing: processes",
          "[processes]") {
  CHECK(refuse_and_go_on(RankKind::kProcesses) == "");
}

// ---- The start ----------------------------------------------------------------------------------

TEST_CASE("tutti_start names TUTTI_SIZE that comes without TUTTI_RANK") {
  const Variable size("TUTTI_SIZE", "4");
  check_start_refused("TUTTI_SIZE is 4 but TUTTI_RANK is not set");
}

TEST_CASE("tutti_start names TUTTI_RANK that comes without TUTTI_SIZE") {
  const Variable rank("TUTTI_RANK", "0");
  check_start_refused("TUTTI_RANK is 0 but TUTTI_SIZE is not set");
}

TEST_CASE("tutti_start names a rank that is not below the size") {
  const Variable rank("TUTTI_RANK", "5"), size("TUTTI_SIZE", "4"), address("TUTTI_ADDR", "x");
  check_start_refused("TUTTI_RANK is 5, but a world of 4 (TUTTI_SIZE) has ranks 0 to 3");
}

TEST_CASE("tutti_start refuses 10,000 ranks on one host") {
  const Variable rank("TUTTI_RANK", "0"), size("TUTTI_SIZE", "10000"), address("TUTTI_ADDR", "x");
  check_start_refused("TUTTI_SIZE is 10000: at most 1024");
}

TEST_CASE("tutti_start names an algorithm in TUTTI_ALGO that does not exist") {
  const Variable algorithm("TUTTI_ALGO", "all_reduce:rnig");
  check_start_refused("TUTTI_ALGO: in 'all_reduce:rnig': all_reduce has no algorithm 'rnig'");
}

TEST_CASE("refused starts and calls leave no descriptor behind") {
  const Alone comm;
  std::vector<float> memory(16, 1.0F);
  const auto refuse_all = [&] {
    for (const NamedCall& wrong : wrong_calls(memory.data())) CHECK(wrong.call(comm) != TUTTI_OK);
    tutti_config config = TUTTI_CONFIG_INIT;
    config.rank = 4;
    config.size = 4;
    config.address = "nowhere";
    tutti_comm* none = nullptr;
    CHECK(tutti_start(&none, &config) == TUTTI_INVALID);
    config.rank = 1;
    config.start_timeout_ms = 20;  // nobody else comes
    CHECK(tutti_start(&none, &config) == TUTTI_TIMEOUT);
    CHECK(none == nullptr);
  };
  refuse_all();
  const std::ptrdiff_t before = open_descriptors();
  for (int i = 0; i < 20; ++i) refuse_all();
  CHECK(open_descriptors() == before);
}

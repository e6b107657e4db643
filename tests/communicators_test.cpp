// Communicators made from others: who is in them, that they are independent, and that they leave
// nothing behind.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/c_api_kit.h"
#include "tests/catch.h"
#include "tests/ranks.h"
#include "tests/settings.h"
#include "tutti/tutti.h"

namespace {

using namespace tutti::test;

std::int64_t sum(std::int64_t value, tutti_comm* comm) {
  ok(tutti_all_reduce(&value, &value, 1, TUTTI_I64, TUTTI_SUM, comm, nullptr), comm);
  return value;
}

tutti_comm* split(int colour, int key, tutti_comm* comm) {
  tutti_comm* child = nullptr;
  ok(tutti_comm_split(&child, colour, key, comm), comm);
  return child;
}

// Odd and even ranks, in reverse; then halves of these; each sums long and short vectors.
void split_twice(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  tutti_comm* const child = split(rank % 2, -rank, comm);
  std::int64_t expected = 0;
  int members = 0, before = 0;
  for (int r = rank % 2; r < ranks; r += 2, ++members) {
    expected += r;
    before += r > rank ? 1 : 0;
  }
  expect(size_of(child) == members && rank_of(child) == before, "members and order");
  expect(sum(rank, child) == expected, "the sum of a child");
  for (const std::size_t count : {1000U, 100'000U, 600'000U}) {
    void* memory = nullptr;
    ok(tutti_alloc(&memory, count * sizeof(float), child), child);
    const auto registered = static_cast<float*>(memory);
    std::vector<float> pageable(count, static_cast<float>(rank));
    std::fill_n(registered, count, static_cast<float>(rank));
    for (float* data : {registered, pageable.data()}) {
      ok(tutti_all_reduce(data, data, count, TUTTI_F32, TUTTI_SUM, child, nullptr), child);
      for (std::size_t e = 0; e < count; ++e)
        expect(data[e] == static_cast<float>(expected), "an element of a child's sum");
    }
    ok(tutti_free(memory, comm), comm);
  }
  tutti_comm* const grandchild = split(rank_of(child) < members / 2 ? 0 : 1, 0, child);
  const int half = rank_of(child) < members / 2 ? members / 2 : members - members / 2;
  expect(sum(1, grandchild) == half, "the size of a grandchild");
  expect(sum(1, comm) == ranks, "the parent goes on");
  ok(tutti_comm_free(child), nullptr);
  expect(sum(1, grandchild) == half, "a grandchild outlives its parent");
  ok(tutti_comm_free(grandchild), nullptr);
}

void leave_some_out(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  tutti_comm* const child = split(rank == 0 ? TUTTI_NO_COLOUR : 7, 0, comm);
  expect((child == nullptr) == (rank == 0), "rank 0 is in none");
  if (child != nullptr) expect(sum(1, child) == ranks - 1, "the others are");
  ok(tutti_comm_free(child), nullptr);
}

// Each rank waits for calls of two communicators in an order of its own.
void cross(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  std::array<tutti_comm*, 2> comms{};
  ok(tutti_comm_duplicate(&comms[0], comm), comm);
  ok(tutti_comm_duplicate(&comms[1], comm), comm);
  for (const std::size_t count : {1U, 50'000U}) {
    std::array<std::vector<std::int32_t>, 2> data;
    std::array<tutti_request*, 2> requests{};
    for (const std::size_t turn : {0U, 1U}) {
      const std::size_t which = rank % 2 == 0 ? turn : 1 - turn;
      tutti_options options = TUTTI_OPTIONS_INIT;
      options.request = &requests[which];
      options.algorithm = "ring";
      data[which].assign(count, static_cast<std::int32_t>(which + 1));
      ok(tutti_all_reduce(data[which].data(), data[which].data(), count, TUTTI_I32, TUTTI_SUM,
                          comms[which], &options),
         comms[which]);
    }
    for (const std::size_t turn : {0U, 1U}) {
      const std::size_t which = rank % 2 == 0 ? turn : 1 - turn;
      ok(tutti_wait(requests[which]), comms[which]);
      expect(data[which] == std::vector<std::int32_t>(count, ranks * static_cast<int>(which + 1)),
             "the sum of communicator " + std::to_string(which));
    }
  }
  for (tutti_comm* child : comms) ok(tutti_comm_free(child), nullptr);
}

// Two threads of each rank use two communicators at the same time, with calls of all forms.
void use_from_threads(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  constexpr int kThreads = 3, kRounds = 60;
  std::array<tutti_comm*, kThreads> comms{};
  std::array<std::string, kThreads> errors;
  for (tutti_comm*& child : comms) child = split(0, 0, comm);
  const auto work = [&](int thread) {
    tutti_comm* const child = comms[static_cast<std::size_t>(thread)];
    for (int round = 0; round < kRounds; ++round) {
      const std::size_t count = round % 7 == 0 ? 30'000 : static_cast<std::size_t>(round);
      std::vector<std::int32_t> data(count, thread + round), other(count, thread);
      tutti_request* request = nullptr;
      tutti_options options = TUTTI_OPTIONS_INIT;
      options.request = &request;
      ok(tutti_all_reduce(data.data(), data.data(), count, TUTTI_I32, TUTTI_SUM, child, &options),
         child);
      ok(tutti_all_reduce(other.data(), other.data(), count, TUTTI_I32, TUTTI_SUM, child, nullptr),
         child);
      ok(tutti_wait(request), child);
      expect(data == std::vector<std::int32_t>(count, ranks * (thread + round)), "a request's sum");
      expect(other == std::vector<std::int32_t>(count, ranks * thread), "a call's sum");
      void* memory = nullptr;
      ok(tutti_alloc(&memory, 8192, child), child);
      ok(tutti_free(memory, child), child);
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      try {
        work(t);
      } catch (const std::exception& e) {
        errors[static_cast<std::size_t>(t)] = e.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& error : errors) expect(error.empty(), error);
  for (tutti_comm* child : comms) ok(tutti_comm_free(child), nullptr);
  static_cast<void>(rank);
}

std::size_t resident_kib() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word && word != "RssShmem:") continue;
  std::size_t kib = 0;
  status >> kib;
  expect(kib > 0, "/proc/self/status does not tell the shared memory");
  return kib;
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    struct stat status {};
    count += fstat(fd, &status) == 0 ? 1 : 0;
  }
  return count;
}

void split_and_free(int rank, tutti_comm* comm, int cycles) {
  const auto cycle = [&](int k) {
    tutti_comm* const child = split(rank % 2, k % 2 == 0 ? rank : -rank, comm);
    expect(sum(1, child) == (size_of(comm) + 1 - rank % 2) / 2, "cycle " + std::to_string(k));
    ok(tutti_comm_free(child), nullptr);
  };
  for (int k = 0; k < 100; ++k) cycle(k);
  const std::size_t memory = resident_kib(), descriptors = open_descriptors();
  for (int k = 0; k < cycles; ++k) cycle(k);
  expect(open_descriptors() == descriptors, "descriptors leak");
  // Some sets are on their way back at any time.
  expect(resident_kib() < memory + 2048, "shared memory grew from " + std::to_string(memory) +
                                             " to " + std::to_string(resident_kib()) + " KiB");
}

}  // namespace

TEST_CASE("a communicator is split by colour and key, and its parts again") {
  on_all_worlds(split_twice);
}

TEST_CASE("a rank without a colour is in no part") { on_all_worlds(leave_some_out); }

TEST_CASE("calls of two communicators in different orders do not block each other") {
  on_all_worlds(cross);
}

TEST_CASE("threads use communicators of one world at the same time") {
  on_all_worlds(use_from_threads);
}

TEST_CASE("thousands of splits leave nothing behind") {
  const int cycles = static_cast<int>(setting("TUTTI_SPLIT_CYCLES", 3000));
  const auto body = [&](int rank, tutti_comm* comm) { split_and_free(rank, comm, cycles); };
  CHECK(run_ranks(RankKind::kProcesses, 3, body) == "");
}

TEST_CASE("what is wrong with making or freeing a communicator is said") {
  const Alone comm;
  tutti_comm* child = nullptr;
  CHECK(tutti_comm_split(nullptr, 0, 0, comm) == TUTTI_INVALID);
  CHECK(says(comm, "child is NULL"));
  CHECK(tutti_comm_split(&child, -2, 0, comm) == TUTTI_INVALID);
  CHECK(says(comm, "colour is -2"));
  CHECK(tutti_comm_free(comm) == TUTTI_INVALID);
  CHECK(says(nullptr, "tutti_finish()"));
  REQUIRE(tutti_comm_duplicate(&child, comm) == TUTTI_OK);
  CHECK(tutti_finish(comm) == TUTTI_INVALID);
  CHECK(says(nullptr, "1 communicators"));
  CHECK(tutti_finish(child) == TUTTI_INVALID);
  CHECK(says(nullptr, "tutti_comm_free()"));
  CHECK(tutti_comm_free(child) == TUTTI_OK);
  CHECK(tutti_comm_free(child) == TUTTI_INVALID);
  CHECK(says(nullptr, "finished"));
  CHECK(tutti_comm_free(nullptr) == TUTTI_OK);
}

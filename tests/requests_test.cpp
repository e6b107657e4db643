// Calls that nobody waits for at once: requests, persistent ones, messages and groups.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/c_api_kit.h"
#include "tests/catch.h"
#include "tests/kernel_operands.h"
#include "tests/ranks.h"
#include "tutti/tutti.h"

namespace {

using namespace tutti::test;
using Elements = std::vector<std::int32_t>;

tutti_options with(tutti_request** request) {
  tutti_options options = TUTTI_OPTIONS_INIT;
  options.request = request;
  return options;
}

Elements all(std::size_t count, std::int32_t value) { return Elements(count, value); }
std::int32_t sum_to(int ranks) { return ranks * (ranks + 1) / 2; }

// Starts many more calls than run at a time, of several kinds and sizes, and waits for them in an
// order of its own.
void start_many(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  constexpr std::size_t kCalls = 23;
  std::mt19937 order(static_cast<unsigned>(tutti::test_seed()) + static_cast<unsigned>(rank));
  std::vector<tutti_request*> requests(kCalls);
  std::vector<Elements> sent(kCalls), received(kCalls);
  for (std::size_t k = 0; k < kCalls; ++k) {
    const std::size_t count = k % 3 == 0 ? k : k % 3 == 1 ? 1000 * k : 20'000;
    const tutti_options options = with(&requests[k]);
    sent[k] = all(count, (rank + 1) * static_cast<int>(k + 1));
    received[k] = all(k % 4 == 3 ? count * static_cast<std::size_t>(ranks) : count, -1);
    if (k % 4 == 3) {
      ok(tutti_all_gather(sent[k].data(), received[k].data(), count, TUTTI_I32, comm, &options),
         comm);
    } else {
      ok(tutti_all_reduce(sent[k].data(), received[k].data(), count, TUTTI_I32, TUTTI_SUM, comm,
                          &options),
         comm);
    }
  }
  std::int32_t one = 1;  // a call that blocks, between them
  ok(tutti_all_reduce(&one, &one, 1, TUTTI_I32, TUTTI_SUM, comm, nullptr), comm);
  expect(one == ranks, "the blocking call's result");
  std::vector<std::size_t> shuffled(kCalls);
  for (std::size_t k = 0; k < kCalls; ++k) shuffled[k] = k;
  std::shuffle(shuffled.begin(), shuffled.end(), order);
  for (const std::size_t k : shuffled) {
    if (k % 2 == 0) {
      ok(tutti_wait(requests[k]), comm);
    } else {
      for (std::int32_t done = 0; done == 0;) ok(tutti_test(requests[k], &done), comm);
    }
    const auto times = static_cast<int>(k + 1);
    Elements expected = all(sent[k].size(), sum_to(ranks) * times);
    if (k % 4 == 3) {
      expected.clear();
      for (int r = 0; r < ranks; ++r)
        expected.insert(expected.end(), sent[k].size(), (r + 1) * times);
    }
    expect(received[k] == expected, "call " + std::to_string(k));
  }
}

void start_again_and_again(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  for (const std::size_t count : {1U, 2U, 5000U, 100'000U}) {
    Elements sent(count), received(count);
    tutti_request* request = nullptr;
    tutti_options options = with(&request);
    options.persistent = 1;
    ok(tutti_all_reduce(sent.data(), received.data(), count, TUTTI_I32, TUTTI_SUM, comm, &options),
       comm);
    for (int round = 1; round <= 20; ++round) {
      std::ranges::fill(sent, (rank + 1) * round);
      ok(tutti_request_start(request), comm);
      ok(tutti_wait(request), comm);
      expect(received == all(count, sum_to(ranks) * round), "round " + std::to_string(round));
    }
    ok(tutti_request_free(request), comm);
  }
}

// Random messages between all pairs; each rank makes its calls in an order of its own.
void message_everybody(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  std::mt19937 order(static_cast<unsigned>(tutti::test_seed()) + static_cast<unsigned>(rank));
  constexpr std::size_t kCounts[] = {0, 1, 78, 79, 5000, 200'000};
  struct One {
    bool outgoing;
    int peer;
  };
  std::vector<One> calls;
  for (int peer = 0; peer < ranks; ++peer) {
    calls.push_back({true, peer});
    calls.push_back({false, peer});
  }
  std::vector<Elements> buffers;
  std::vector<tutti_request*> requests;
  std::vector<std::int32_t> expected;
  std::shuffle(calls.begin(), calls.end(), order);
  const std::size_t messages = calls.size() * std::size(kCounts);
  buffers.reserve(messages);
  requests.resize(messages);
  for (const std::size_t count : kCounts) {
    for (const One& call : calls) {
      const int from = call.outgoing ? rank : call.peer, to = call.outgoing ? call.peer : rank;
      const std::int32_t value = from * 1000 + to + static_cast<std::int32_t>(count);
      buffers.push_back(all(count, call.outgoing ? value : -1));
      expected.push_back(value);
      const tutti_options options = with(&requests[buffers.size() - 1]);
      ok(call.outgoing ? tutti_send(buffers.back().data(), count, TUTTI_I32, to, comm, &options)
                       : tutti_recv(buffers.back().data(), count, TUTTI_I32, from, comm, &options),
         comm);
    }
  }
  for (std::size_t left = messages; left > 0; --left) {
    std::size_t index = messages;
    ok(tutti_wait_any(requests.data(), requests.size(), &index), comm);
    expect(index < messages && requests[index] == nullptr, "the index of wait_any");
    expect(buffers[index] == all(buffers[index].size(), expected[index]), "a message");
  }
}

void shift_around(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  const int next = (rank + 1) % ranks, previous = (rank + ranks - 1) % ranks;
  for (const std::size_t count : {0U, 1U, 1000U, 300'000U}) {
    const Elements sent = all(count, rank);
    Elements received = all(count, -1);
    ok(tutti_send_recv(sent.data(), count, next, received.data(), count, previous, TUTTI_I32, comm,
                       nullptr),
       comm);
    expect(received == all(count, previous), "send_recv");
    if (ranks == 1) continue;
    std::ranges::fill(received, -1);
    if (rank % 2 == 0) ok(tutti_send(sent.data(), count, TUTTI_I32, next, comm, nullptr), comm);
    ok(tutti_recv(received.data(), count, TUTTI_I32, previous, comm, nullptr), comm);
    if (rank % 2 != 0) ok(tutti_send(sent.data(), count, TUTTI_I32, next, comm, nullptr), comm);
    expect(received == all(count, previous), "send and recv");
  }
}

// Small calls that are fused, long ones, other collectives and messages, all in one group.
void group_of_all_kinds(int rank, tutti_comm* comm, bool wait_for_request) {
  const int ranks = size_of(comm);
  constexpr std::size_t kSmall = 40;
  std::vector<Elements> small(kSmall);
  Elements before = all(300'000, rank + 1), after = all(300'000, -1), root = all(77, rank);
  Elements sent = all(9, rank), received = all(9, -1), third = all(3, -1);
  std::vector<double> doubles(5, rank + 1.0);
  tutti_request* request = nullptr;
  const tutti_options options = with(&request);
  ok(tutti_group_start(comm), comm);
  for (std::size_t k = 0; k < kSmall; ++k) {
    small[k] = all(k, (rank + 1) * static_cast<int>(k));
    if (k == 20)
      ok(tutti_all_reduce(before.data(), after.data(), before.size(), TUTTI_I32, TUTTI_SUM, comm,
                          nullptr),
         comm);
    if (k == 30)
      ok(tutti_all_reduce(doubles.data(), doubles.data(), 5, TUTTI_F64, TUTTI_SUM, comm, nullptr),
         comm);
    ok(tutti_all_reduce(small[k].data(), small[k].data(), k, TUTTI_I32, TUTTI_SUM, comm, nullptr),
       comm);
    if (k == 10 && rank == 0) {  // what some ranks do between two calls does not matter to others
      ok(tutti_send(sent.data(), 3, TUTTI_I32, ranks - 1, comm, nullptr), comm);
    }
    if (k == 11 && rank == ranks - 1)
      ok(tutti_recv(third.data(), 3, TUTTI_I32, 0, comm, nullptr), comm);
  }
  ok(tutti_recv(received.data(), 9, TUTTI_I32, (rank + 1) % ranks, comm, nullptr), comm);
  ok(tutti_send(sent.data(), 9, TUTTI_I32, (rank + ranks - 1) % ranks, comm, nullptr), comm);
  ok(tutti_broadcast(root.data(), root.data(), 77, TUTTI_I32, ranks - 1, comm, nullptr), comm);
  expect(after == all(300'000, -1), "a call in a group ran before its end");
  ok(tutti_group_end(comm, wait_for_request ? &options : nullptr), comm);
  if (wait_for_request) ok(tutti_wait(request), comm);
  for (std::size_t k = 0; k < kSmall; ++k)
    expect(small[k] == all(k, sum_to(ranks) * static_cast<int>(k)), "small " + std::to_string(k));
  expect(after == all(300'000, sum_to(ranks)), "the long call");
  expect(doubles == std::vector<double>(5, sum_to(ranks)), "the call of another dtype");
  expect(received == all(9, (rank + 1) % ranks), "the message");
  expect(root == all(77, ranks - 1), "the broadcast");
  if (rank == ranks - 1) expect(third == all(3, 0), "the message between two calls");
}

void refuse(tutti_status status, const tutti_comm* comm, const std::string& reason) {
  expect(status == TUTTI_INVALID, "not refused: " + reason);
  const std::string text = tutti_error_text(comm);
  expect(text.find(reason) != std::string::npos, '"' + text + "\" does not say " + reason);
}

}  // namespace

TEST_CASE("requests may be many, of any size, and waited for in any order") {
  on_all_worlds(start_many);
}

TEST_CASE("a persistent request starts again and again") { on_all_worlds(start_again_and_again); }

TEST_CASE("messages between all pairs arrive, whatever the order of the calls") {
  on_all_worlds(message_everybody);
}

TEST_CASE("messages go round without requests") { on_all_worlds(shift_around); }

TEST_CASE("a group makes its calls at the same time") {
  on_all_worlds([](int rank, tutti_comm* comm) { group_of_all_kinds(rank, comm, false); });
  on_all_worlds([](int rank, tutti_comm* comm) { group_of_all_kinds(rank, comm, true); });
}

TEST_CASE("an empty group does nothing") {
  const Alone comm;
  ok(tutti_group_start(comm), comm);
  ok(tutti_group_end(comm, nullptr), comm);
}

TEST_CASE("messages of different length are a mismatch on both sides, and arrive nowhere") {
  const auto body = [](int rank, tutti_comm* comm) {
    std::int32_t value = 7, other[2] = {-1, -1};
    tutti_status status = TUTTI_OK;
    if (rank == 0) {
      status = tutti_send(&value, 1, TUTTI_I32, 1, comm, nullptr);
      if (status == TUTTI_OK) status = tutti_barrier(comm, nullptr);
    } else {
      status = tutti_recv(other, 2, TUTTI_I32, 0, comm, nullptr);
    }
    expect(status == TUTTI_MISMATCH, tutti_error_text(comm));
    const std::string text = tutti_error_text(comm);
    for (const char* part : {"rank 0: send #1 (i32, count 1, to rank 1)",
                             "rank 1: recv #1 (i32, count 2, from rank 0)"})
      expect(text.find(part) != std::string::npos, text);
    expect(other[0] == -1 && other[1] == -1, "bytes arrived");
  };
  CHECK(run_ranks(RankKind::kProcesses, 2, body) == "");
  CHECK(run_ranks(RankKind::kThreads, 2, body) == "");
}

TEST_CASE("what is wrong with a request or a group is said") {
  const auto body = [](int rank, tutti_comm* comm) {
    std::int32_t value = 1, done = 0;
    std::size_t index = 0;
    tutti_request* request = nullptr;
    tutti_options options = with(&request);
    const auto sum = [&] {
      return tutti_all_reduce(&value, &value, 1, TUTTI_I32, TUTTI_SUM, comm, &options);
    };
    refuse(tutti_wait(nullptr), nullptr, "the request is NULL");
    refuse(tutti_test(nullptr, &done), nullptr, "the request is NULL");
    refuse(tutti_wait(reinterpret_cast<tutti_request*>(&value)), nullptr, "not one that a call");
    ok(sum(), comm);
    refuse(tutti_test(request, nullptr), nullptr, "done is NULL");
    refuse(tutti_request_start(request), comm, "not persistent");
    refuse(tutti_request_free(request), comm, "in flight");
    ok(tutti_wait(request), comm);
    refuse(tutti_wait(request), nullptr, "gone");
    options.persistent = 2;
    refuse(sum(), comm, "options->persistent is 2");
    options.persistent = 1;
    options.request = nullptr;
    refuse(sum(), comm, "options->request is NULL");
    options.request = &request;
    ok(sum(), comm);
    refuse(tutti_wait(request), comm, "has not been started");
    ok(tutti_request_start(request), comm);
    refuse(tutti_request_start(request), comm, "in flight");
    if (rank == 0) refuse(tutti_finish(comm), nullptr, "1 requests have not been waited for");
    ok(tutti_wait(request), comm);
    ok(tutti_request_free(request), comm);
    refuse(tutti_request_start(request), nullptr, "gone");
    refuse(tutti_wait_all(nullptr, 1), nullptr, "requests is NULL");
    refuse(tutti_wait_any(&request, 1, nullptr), nullptr, "index is NULL");
    request = nullptr;
    expect(tutti_wait_any(&request, 1, &index) == TUTTI_NOT_FOUND, "all NULL");
    ok(tutti_wait_all(&request, 1), comm);

    refuse(tutti_group_end(comm, nullptr), comm, "no group is open");
    ok(tutti_group_start(comm), comm);
    refuse(tutti_group_start(comm), comm, "a group is open");
    refuse(sum(), comm, "in a group");
    refuse(tutti_finish(comm), nullptr, "a group is open");
    options = TUTTI_OPTIONS_INIT;
    options.algorithm = "ring";
    refuse(tutti_group_end(comm, &options), comm, "options->algorithm");
    ok(tutti_group_end(comm, nullptr), comm);

    refuse(tutti_send(&value, 1, TUTTI_I32, 2, comm, nullptr), comm, "the receiver is 2");
    refuse(tutti_recv(&value, 1, TUTTI_I32, -1, comm, nullptr), comm, "the sender is -1");
    refuse(tutti_send(nullptr, 1, TUTTI_I32, 0, comm, nullptr), comm, "send is NULL");
    refuse(tutti_recv(nullptr, 1, TUTTI_I32, 0, comm, nullptr), comm, "recv is NULL");
    refuse(tutti_send(&value, 1, 99, 0, comm, nullptr), comm, "unknown dtype 99");
    refuse(tutti_send(&value, 1, TUTTI_I32, 0, comm, &options), comm, "messages have none");
    refuse(tutti_send_recv(&value, 1, 0, &value, 1, 0, TUTTI_I32, comm, nullptr), comm, "overlap");
    ok(tutti_barrier(comm, nullptr), comm);
  };
  CHECK(run_ranks(RankKind::kThreads, 2, body) == "");
}

TEST_CASE("a request whose peer dies fails, and so does all that is in flight") {
  const auto body = [](int rank, tutti_comm* comm) {
    std::int32_t value = 1;
    std::array<tutti_request*, 6> requests{};
    ok(tutti_barrier(comm, nullptr), comm);
    if (rank == 1) _exit(0);
    for (tutti_request*& request : requests) {
      const tutti_options options = with(&request);
      const tutti_status status =
          tutti_all_reduce(&value, &value, 1, TUTTI_I32, TUTTI_SUM, comm, &options);
      expect(status == TUTTI_OK || status == TUTTI_PEER_FAILED, tutti_error_text(comm));
    }
    for (tutti_request* request : requests) {
      if (request == nullptr) continue;
      expect(tutti_wait(request) == TUTTI_PEER_FAILED, tutti_error_text(comm));
    }
    expect(tutti_barrier(comm, nullptr) == TUTTI_PEER_FAILED, tutti_error_text(comm));
  };
  const std::string errors = run_ranks(RankKind::kProcesses, 2, body);
  CHECK(errors.find("rank 0") == std::string::npos);  // rank 1 has ended without a word
}

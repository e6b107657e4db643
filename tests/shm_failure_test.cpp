// What the ranks of a host see when one of them dies, freezes, leaves, differs or gives up.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "tests/captured_stderr.h"
#include "tests/catch.h"
#include "tests/transport_test_kit.h"

namespace tutti::test {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// Waits for a message of `peer` that never comes; returns how it ended, and after which time.
struct Wait {
  std::string error;
  tutti_status status = TUTTI_OK;
  std::chrono::duration<double> took{};
};

Wait wait_for(Transport& t, int peer) {
  const auto begin = Clock::now();
  try {
    receive(t, peer, 0, 8, How::kView);
  } catch (const Error& error) {
    return {error.what(), error.status(), Clock::now() - begin};
  }
  throw std::runtime_error("a message came from nowhere");
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void expect_contains(const std::string& text, const std::string& part) {
  expect(contains(text, part), "expected \"" + part + "\" in: " + text);
}

/// Memory that forked ranks share.
template <typename T>
struct Shared {
  T* const value = static_cast<T*>(
      mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ~Shared() { munmap(value, sizeof(T)); }
};

}  // namespace

TEST_CASE("survivors of a killed rank fail within a second, all with the same record",
          "[processes]") {
  for (const int size : {2, 5}) {
    const Shared<std::atomic<double>> killed_at;
    const auto now = [] { return std::chrono::duration<double>(Clock::now().time_since_epoch()); };
    const auto ended = run_transports(RankKind::kProcesses, size, [&](Transport& t) {
      begin(t, some_call(1, 10), 20s);
      const int victim = t.size() - 1;
      if (t.rank() == victim) {
        std::this_thread::sleep_for(300ms);  // the others are asleep by now
        killed_at.value->store(now().count());
        kill(getpid(), SIGKILL);
      }
      // Not all of them wait for the victim.
      const Wait wait = wait_for(t, t.rank() == 0 ? victim : 0);
      expect(wait.status == TUTTI_PEER_FAILED, "status");
      expect_contains(wait.error,
                      "rank " + std::to_string(t.rank()) + ": all_reduce #1 (sum, f32, ");
      expect_contains(wait.error, "rank " + std::to_string(victim) +
                                      " died, or ended without tutti_finish() (pid ");
      const double took = now().count() - killed_at.value->load();
      expect(took < 1.0, "it took " + std::to_string(took) + " s");
    });
    for (std::size_t rank = 0; rank + 1 < ended.size(); ++rank) CHECK(ended[rank].error == "");
    CHECK(ended.back().signal == SIGKILL);
  }
}

TEST_CASE("survivors of a frozen rank fail within two seconds, and it fails when it wakes",
          "[processes]") {
  const Shared<std::atomic<int>> frozen_pid;
  const auto ended = run_transports(RankKind::kProcesses, 3, [&](Transport& t) {
    begin(t, some_call(7, 10), 20s);
    if (t.rank() == 2) {
      frozen_pid.value->store(getpid());
      kill(getpid(), SIGSTOP);
      const Wait wait = wait_for(t, 0);
      expect(wait.status == TUTTI_PEER_FAILED, "status");
      expect_contains(wait.error, "rank 2 froze");
      return;
    }
    const Wait wait = wait_for(t, 2);
    expect(wait.status == TUTTI_PEER_FAILED, "status");
    expect_contains(wait.error, "rank 2 froze");
    expect(wait.took < 2.5s, "it took " + std::to_string(wait.took.count()) + " s");
    if (t.rank() == 0) kill(frozen_pid.value->load(), SIGCONT);
  });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("a stop that is short does no harm", "[processes]") {
  const Shared<std::atomic<int>> frozen_pid;
  const auto ended = run_transports(RankKind::kProcesses, 2, [&](Transport& t) {
    const Piece none{};
    if (t.rank() == 0) {
      frozen_pid.value->store(getpid());
      kill(getpid(), SIGSTOP);
      post(t, 1, 0, {&none, 1});
      return;
    }
    while (frozen_pid.value->load() == 0) std::this_thread::sleep_for(1ms);
    std::thread waker([&] {
      std::this_thread::sleep_for(700ms);
      kill(frozen_pid.value->load(), SIGCONT);
    });
    try {
      receive(t, 0, 0, 0, How::kView);
    } catch (...) {
      waker.join();
      throw;
    }
    waker.join();
  });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("waiting for a rank that has left is an error, its last words are not lost") {
  const auto ended = run_transports(RankKind::kThreads, 2, [](Transport& t) {
    begin(t, some_call(1, 10), 20s);
    const auto small = pattern(8, 1);
    const auto medium = pattern(3000, 1);
    const Piece pieces[] = {{small.data(), small.size()}, {medium.data(), medium.size()}};
    if (t.rank() == 0) {
      post(t, 1, 1, {&pieces[0], 1});
      auto* const data = t.scratch().data();
      std::memcpy(data, medium.data(), medium.size());
      const Piece piece{data, medium.size()};
      post(t, 1, 2, {&piece, 1});
      return;  // its destructor waits until the second one is read
    }
    std::this_thread::sleep_for(100ms);
    expect(receive(t, 0, 1, 8, How::kView) == small, "small");
    expect(receive(t, 0, 2, 3000, How::kView) == medium, "medium");
    const Wait wait = wait_for(t, 0);
    expect(wait.status == TUTTI_PEER_FAILED, "status");
    expect_contains(wait.error, "rank 0 left the world");
    expect(wait.took < 1s, "it took " + std::to_string(wait.took.count()) + " s");
  });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("a deadline names the latest rank and its last call, on every rank") {
  const auto ended = run_transports(RankKind::kThreads, 3, [](Transport& t) {
    begin(t, some_call(1, 10), 20s);
    if (t.rank() == 2) {
      std::this_thread::sleep_for(600ms);
      try {
        begin(t, some_call(2, 20), 20s);
        expect(false, "a late call succeeds");
      } catch (const Error& error) {
        expect(error.status() == TUTTI_TIMEOUT, "status");
        expect_contains(error.what(), "gave up: not complete after 200 ms");
      }
      return;
    }
    begin(t, some_call(2, 20), 200ms);
    const Wait wait = wait_for(t, 1 - t.rank());
    expect(wait.status == TUTTI_TIMEOUT, "status");
    expect_contains(wait.error,
                    "rank " + std::to_string(t.rank()) + ": all_reduce #2 (sum, f32, count 20): ");
    expect_contains(wait.error, "not complete after 200 ms");
    expect_contains(wait.error,
                    "the latest is rank 2, whose last call is all_reduce #1 (sum, f32, count 10)");
    expect(wait.took > 150ms && wait.took < 500ms, "it took " + std::to_string(wait.took.count()));
  });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("a call that waits long says for whom, again and again") {
  for (const bool warnings : {true, false}) {
    const CapturedStderr said;
    const auto ended = run_transports(
        RankKind::kThreads, 3,
        [](Transport& t) {
          begin(t, some_call(1, 10), 20s);
          const Piece none{};
          if (t.rank() == 2) {
            std::this_thread::sleep_for(700ms);
            post(t, 0, 0, {&none, 1});
          } else if (t.rank() == 0) {
            begin(t, some_call(2, 20), 20s);
            receive(t, 2, 0, 0, How::kView);
          }
        },
        [&](World& world) {
          world.stall_report = 200ms;
          world.warnings = warnings;
        });
    CHECK(errors_of(ended) == "");
    INFO(said.text());
    const int reports = said.count(
        "tutti: rank 0: all_reduce #2 (sum, f32, count 20): waiting for 0 s; the latest "
        "is rank 2, whose last call is all_reduce #1 (sum, f32, count 10)\n");
    CHECK(reports == said.count("\n"));  // and nobody else says anything
    if (warnings) {
      CHECK(reports >= 2);
    } else {
      CHECK(reports == 0);
    }
  }
}

TEST_CASE("a call that waits for less than the default 30 s says nothing") {
  CHECK(World().stall_report == 30s);
  const CapturedStderr said;
  const auto ended = run_transports(RankKind::kThreads, 2, [](Transport& t) {
    begin(t, some_call(1, 10), 20s);
    const Piece none{};
    if (t.rank() == 1) std::this_thread::sleep_for(300ms);
    if (t.rank() == 1) post(t, 0, 0, {&none, 1});
    if (t.rank() == 0) receive(t, 1, 0, 0, How::kView);
  });
  CHECK(errors_of(ended) == "");
  CHECK(said.text() == "");
}

namespace {

/// Three ranks begin a call each; all shall fail with `text`.
void expect_mismatch(const std::function<CallRecord(int rank)>& call_of, const std::string& text) {
  const auto ended = run_transports(RankKind::kThreads, 3, [&](Transport& t) {
    const CallRecord call = call_of(t.rank());
    try {
      begin(t, call, 20s);
      const Piece none{};
      if (t.rank() != 2) t.endpoint(1 - t.rank()).post(0, call.hash, {&none, 1});
      const int peer = t.rank() == 2 ? 0 : 1 - t.rank();
      await(t, [&] { return t.endpoint(peer).view(0, call.hash, 8).there; });
      expect(false, "different calls succeed");
    } catch (const Error& error) {
      expect(error.status() == TUTTI_MISMATCH, "status");
      expect(error.what() == text, error.what());
    }
  });
  CHECK(errors_of(ended) == "");
}

}  // namespace

TEST_CASE("different calls are an error that names both ranks and both calls") {
  expect_mismatch(
      [](int rank) { return some_call(3, rank == 1 ? 11 : 10); },
      "rank 0: all_reduce #3 (sum, f32, count 10), but rank 1: all_reduce #3 (sum, f32, count 11)");
}

TEST_CASE("calls that differ by their algorithm only are an error that says so") {
  expect_mismatch(
      [](int rank) {
        CallRecord call = some_call(3, 10);
        if (rank != 1) return call;
        call.algorithm += 1;
        call.hash += 1;
        return call;
      },
      "rank 0: all_reduce #3 (sum, f32, count 10), but rank 1: all_reduce #3 (sum, f32, count 10), "
      "by another algorithm: TUTTI_ALGO or an option differs");
}

TEST_CASE("after abandon() no rank reads the memory any more") {
  const std::size_t bytes = 256 << 10;
  std::atomic<bool> reading{false}, done{false};
  const auto ended = run_transports(RankKind::kThreads, 2, [&](Transport& t) {
    if (t.rank() == 0) {
      auto data = pattern(bytes, 3);
      const Piece piece{data.data(), bytes};
      post(t, 1, 0, {&piece, 1});
      while (!reading) std::this_thread::yield();
      t.abandon(Error(TUTTI_TIMEOUT, "enough"));
      expect(done, "abandon() did not wait for the reader");
      std::fill(data.begin(), data.end(), std::byte{0});  // TSan sees it if somebody still reads
      return;
    }
    Endpoint& endpoint = t.endpoint(0);
    View view;
    await(t, [&] {
      view = endpoint.view(0, kHash, bytes);
      return view.there;
    });
    reading = true;
    std::this_thread::sleep_for(100ms);
    std::vector<std::byte> copy(view.data, view.data + view.bytes);
    done = true;
    try {
      endpoint.advance(0, view.bytes);
      expect(false, "bytes of an abandoned call count");
    } catch (const Error& error) {
      expect(error.status() == TUTTI_TIMEOUT, "status");
      expect_contains(error.what(), "rank 0 gave up: enough");
    }
  });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("abandon() does not wait for a rank that died while it read", "[processes]") {
  const std::size_t bytes = 200 << 10;
  const Shared<std::atomic<int>> reading;
  const auto ended = run_transports(RankKind::kProcesses, 2, [&](Transport& t) {
    if (t.rank() == 1) {
      await(t, [&] { return t.endpoint(0).view(0, kHash, bytes).there; });
      reading.value->store(1);
      kill(getpid(), SIGKILL);
    }
    auto* const data = static_cast<std::byte*>(t.allocate(bytes));
    const Piece piece{data, bytes};
    post(t, 1, 0, {&piece, 1});
    while (reading.value->load() == 0) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(100ms);
    const auto begin = Clock::now();
    t.abandon(Error(TUTTI_TIMEOUT, "enough"));
    expect(Clock::now() - begin < 1s, "it waited for the dead");
  });
  CHECK(ended[0].error == "");
}

TEST_CASE("a rank that is stopped while it reads holds abandon() up for two seconds at most",
          "[processes]") {
  const std::size_t bytes = 200 << 10;
  const Shared<std::atomic<int>> stopped;
  const auto ended = run_transports(RankKind::kProcesses, 2, [&](Transport& t) {
    if (t.rank() == 1) {
      await(t, [&] { return t.endpoint(0).view(0, kHash, bytes).there; });
      stopped.value->store(getpid());
      kill(getpid(), SIGSTOP);
      return;
    }
    auto* const data = static_cast<std::byte*>(t.allocate(bytes));
    const Piece piece{data, bytes};
    post(t, 1, 0, {&piece, 1});
    while (stopped.value->load() == 0) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(50ms);
    const auto begin = Clock::now();
    t.abandon(Error(TUTTI_TIMEOUT, "enough"));
    const auto took = Clock::now() - begin;
    kill(stopped.value->load(), SIGCONT);
    expect(took > 1900ms && took < 2500ms, "it did not wait for the stopped rank for two seconds");
  });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("a forked child leaves its parent's world alone", "[processes]") {
  const auto ended = run_transports(RankKind::kProcesses, 2, [](Transport& t) {
    const Piece none{};
    if (t.rank() == 0) {
      const pid_t child = fork();
      if (child == 0) {
        t.~Transport();
        _exit(0);
      }
      int status = 0;
      expect(waitpid(child, &status, 0) == child && status == 0, "the child did not end well");
      std::this_thread::sleep_for(50ms);
    }
    post(t, 1 - t.rank(), 0, {&none, 1});
    receive(t, 1 - t.rank(), 0, 0, How::kView);
  });
  CHECK(errors_of(ended) == "");
}

}  // namespace tutti::test

// Ranks meet: as threads and as processes, in order and in disorder.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include "kernels/error.h"
#include "tests/catch.h"
#include "tests/meeting.h"
#include "transport/bootstrap/channel.h"
#include "transport/bootstrap/world.h"

using namespace tutti;
using namespace tutti::test;
using std::chrono::milliseconds;

namespace {

// Long before the patience of worlds() ends, and long enough for a busy machine.
constexpr auto kAtOnce = milliseconds(10'000);

/// A card whose blob and two files name its rank.
Card card_of(int rank) {
  Card card;
  card.blob.resize(static_cast<std::size_t>(rank) * 3, static_cast<std::byte>(rank));
  for (int i = 0; i < 2; ++i) {
    UniqueFd file(memfd_create("card", MFD_CLOEXEC));
    const int content = 100 * rank + i;
    if (pwrite(file.get(), &content, sizeof content, 0) != sizeof content)
      throw Error(TUTTI_SYSTEM, "pwrite");
    card.fds.push_back(std::move(file));
  }
  return card;
}

void check_card(const Card& card, int rank, bool with_fds) {
  expect(card.blob == card_of(rank).blob, "blob of rank " + std::to_string(rank));
  expect(card.fds.size() == (with_fds ? 2 : 0), "descriptors of rank " + std::to_string(rank));
  if (!with_fds) return;
  for (int i = 0; i < 2; ++i) {
    int content = -1;
    const int fd = card.fds[static_cast<std::size_t>(i)].get();
    expect(pread(fd, &content, sizeof content, 0) == sizeof content, "cannot read a file");
    expect(content == 100 * rank + i, "content of a file of rank " + std::to_string(rank));
    expect((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "a descriptor survives exec");
  }
}

void whole_start(const World& world) {
  const auto rendezvous = meet(world);
  const std::vector<Card> cards = rendezvous->exchange(card_of(world.rank));
  expect(static_cast<int>(cards.size()) == world.size, "number of cards");
  for (int rank = 0; rank < world.size; ++rank) {
    const bool neighbour = rank != world.rank && rendezvous->pid_of(rank) == getpid();
    check_card(cards[static_cast<std::size_t>(rank)], rank, !neighbour);
  }
  expect(rendezvous->pid_of(world.rank) == getpid(), "own pid");
  for (int i = 0; i < 3; ++i) rendezvous->barrier();
}

}  // namespace

TEST_CASE("cards reach all of 1 to 9 threads, without the descriptors that they share") {
  for (int size = 1; size <= 9; ++size) {
    INFO("ranks: " << size);
    CHECK(failures(meet_all(RankKind::kThreads, worlds(size), whole_start)) == "");
  }
}

TEST_CASE("cards reach all of 1 to 9 processes", "[processes]") {
  for (int size = 1; size <= 9; ++size) {
    INFO("ranks: " << size);
    CHECK(failures(meet_all(RankKind::kProcesses, worlds(size), whole_start)) == "");
  }
}

TEST_CASE("64 ranks meet as processes", "[processes]") {
  CHECK(failures(meet_all(RankKind::kProcesses, worlds(64), whole_start)) == "");
}

TEST_CASE("a barrier waits for all ranks, any number of times") {
  constexpr int kRanks = 5;
  std::atomic<int> entered{0};
  const auto body = [&](const World& world) {
    const auto rendezvous = meet(world);
    for (int round = 1; round <= 20; ++round) {
      if (world.rank == round % kRanks) std::this_thread::sleep_for(milliseconds(2));
      ++entered;
      rendezvous->barrier();
      expect(entered >= round * kRanks, "left before all had entered");
      rendezvous->barrier();
    }
  };
  CHECK(failures(meet_all(RankKind::kThreads, worlds(kRanks), body)) == "");
}

TEST_CASE("ranks can meet again at the same address") {
  const auto twice = [](const World& world) {
    for (int i = 0; i < 20; ++i) whole_start(world);
  };
  CHECK(failures(meet_all(RankKind::kThreads, worlds(4), twice)) == "");
}

TEST_CASE("what a rank says last is heard, however soon it leaves") {
  // The kernel's race takes about 20,000 rounds: where two cores are free, a third of this time.
  const auto end = std::chrono::steady_clock::now() + milliseconds(1000);
  std::array<Channel, 2> ends;
  std::atomic<int> begun{0}, left{0};
  std::jthread speaker([&](const std::stop_token& stop) {
    for (int round = 1;; ++round) {
      while (begun != round) {
        if (stop.stop_requested()) return;
        std::this_thread::yield();
      }
      ends[1].send({.kind = Kind::kGo});
      ends[1] = Channel();
      left = round;
    }
  });
  int heard = 0, rounds = 0;
  while (std::chrono::steady_clock::now() < end) {
    std::array<int, 2> fds{};
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) == 0);
    for (std::size_t i = 0; i < ends.size(); ++i) ends[i] = Channel(UniqueFd(fds[i]));
    begun = ++rounds;
    Message word;
    Received received = Received::kNothing;
    while (received == Received::kNothing) received = ends[0].receive(word, false);
    heard += received == Received::kMessage ? 1 : 0;
    while (left != rounds) std::this_thread::yield();
  }
  CHECK(heard == rounds);
  CHECK(rounds > 0);
}

TEST_CASE("an address may be any text of any length") {
  for (const std::string& address :
       {std::string("x"), std::string(100'000, 'y'), std::string("\n\t/ü∀")}) {
    auto ranks = worlds(2);
    for (World& world : ranks) world.address = fresh_address() + address;
    ranks[1].address = ranks[0].address;
    CHECK(failures(meet_all(RankKind::kThreads, ranks, whole_start)) == "");
  }
}

TEST_CASE("worlds at different addresses do not meet") {
  auto ranks = worlds(2, milliseconds(100));
  ranks[1].address += "'";
  const auto outcomes = meet_all(RankKind::kThreads, ranks, whole_start);
  CHECK(outcomes[0].status == TUTTI_TIMEOUT);
  CHECK(outcomes[1].status == TUTTI_TIMEOUT);
}

TEST_CASE("missing ranks are named to all who came, when the first loses patience", "[processes]") {
  auto ranks = worlds(6, milliseconds(30'000));
  ranks.erase(ranks.begin() + 4);
  ranks.erase(ranks.begin() + 2);
  ranks[1].start_timeout = milliseconds(2000);  // all that come are there by then
  const auto began = std::chrono::steady_clock::now();
  const auto outcomes = meet_all(RankKind::kProcesses, ranks, whole_start);
  CHECK(std::chrono::steady_clock::now() - began < milliseconds(20'000));
  for (const Outcome& outcome : outcomes) {
    CHECK(outcome.status == TUTTI_TIMEOUT);
    CHECK(outcome.text == outcomes[0].text);
  }
  CHECK_THAT(outcomes[0].text, Catch::Contains("ranks 2 and 4 of 6 did not come to the meeting"));
}

TEST_CASE("a missing rank 0 is named") {
  auto ranks = worlds(3, milliseconds(100));
  ranks.erase(ranks.begin());
  for (const Outcome& outcome : meet_all(RankKind::kThreads, ranks, whole_start)) {
    CHECK(outcome.status == TUTTI_TIMEOUT);
    CHECK_THAT(outcome.text, Catch::Contains("rank 0 of 3 did not come"));
  }
}

namespace {

void check_claimed_twice(RankKind kind, int twice) {
  auto ranks = worlds(4);
  ranks[3].rank = twice;
  const auto outcomes = meet_all(kind, ranks, whole_start);
  for (const Outcome& outcome : outcomes) {
    CHECK(outcome.status == TUTTI_INVALID);
    CHECK(outcome.text == outcomes[0].text);
  }
  CHECK_THAT(outcomes[0].text, Catch::Contains("rank " + std::to_string(twice) + " at '") &&
                                   Catch::Contains("is claimed twice"));
}

}  // namespace

TEST_CASE("a rank that two threads claim is an error on every rank, in the same words") {
  check_claimed_twice(RankKind::kThreads, 1);
  check_claimed_twice(RankKind::kThreads, 0);
}

TEST_CASE("a rank that two processes claim is an error on every rank, in the same words",
          "[processes]") {
  check_claimed_twice(RankKind::kProcesses, 1);
  check_claimed_twice(RankKind::kProcesses, 0);
}

TEST_CASE("worlds of different sizes are an error that names both") {
  auto ranks = worlds(3);
  ranks[2].size = 4;
  const auto outcomes = meet_all(RankKind::kThreads, ranks, whole_start);
  for (const Outcome& outcome : outcomes) {
    CHECK(outcome.status == TUTTI_INVALID);
    CHECK(outcome.text == outcomes[0].text);
  }
  CHECK_THAT(outcomes[0].text, Catch::Contains("expects a world of 4 ranks, but rank 0 one of 3"));
}

TEST_CASE("a rank beyond the size is an error on every rank") {
  auto ranks = worlds(2);
  ranks[1].rank = 7;
  for (const Outcome& outcome : meet_all(RankKind::kThreads, ranks, whole_start)) {
    CHECK(outcome.status == TUTTI_INVALID);
    CHECK_THAT(outcome.text, Catch::Contains("claims rank 7"));
  }
}

TEST_CASE("the death of a rank at any step is told to all others at once", "[processes]") {
  for (const int victim : {0, 2})
    for (const int step : {1, 2}) {
      INFO("rank " << victim << " dies at step " << step);
      const auto body = [&](const World& world) {
        const auto die = [&](int now) {
          if (world.rank == victim && now == step) raise(SIGKILL);
        };
        const auto rendezvous = meet(world);
        die(1);
        rendezvous->exchange(card_of(world.rank));
        die(2);
        rendezvous->barrier();
      };
      const auto began = std::chrono::steady_clock::now();
      const auto outcomes = meet_all(RankKind::kProcesses, worlds(4), body);
      CHECK(std::chrono::steady_clock::now() - began < kAtOnce);
      for (int rank = 0; rank < 4; ++rank) {
        if (rank == victim) continue;
        const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
        CHECK(outcome.status == TUTTI_PEER_FAILED);
        CHECK_THAT(outcome.text, Catch::Contains("rank " + std::to_string(victim) + " (pid "));
      }
    }
}

TEST_CASE("a rank that comes to no exchange is named") {
  auto ranks = worlds(3, milliseconds(600));
  const auto body = [](const World& world) {
    const auto rendezvous = meet(world);
    if (world.rank == 1) std::this_thread::sleep_for(milliseconds(2000));
    rendezvous->exchange({});
  };
  for (const Outcome& outcome : meet_all(RankKind::kThreads, ranks, body)) {
    CHECK(outcome.status == TUTTI_TIMEOUT);
    CHECK_THAT(outcome.text, Catch::Contains("rank 1 of 3 did not come to the exchange of cards"));
  }
}

TEST_CASE("ranks that are at different steps say so") {
  const auto body = [](const World& world) {
    const auto rendezvous = meet(world);
    world.rank == 1 ? rendezvous->barrier() : static_cast<void>(rendezvous->exchange({}));
  };
  for (const Outcome& outcome : meet_all(RankKind::kThreads, worlds(3), body)) {
    CHECK(outcome.status == TUTTI_INTERNAL);
    CHECK_THAT(outcome.text, Catch::Contains("rank 1 (pid ") && Catch::Contains("another step"));
  }
}

TEST_CASE("running out of descriptors is an error on every rank that names the limit",
          "[processes]") {
  const auto body = [](const World& world) {
    if (world.rank == 1) {
      const rlimit few{.rlim_cur = 24, .rlim_max = 24};
      setrlimit(RLIMIT_NOFILE, &few);
    }
    whole_start(world);
  };
  for (const Outcome& outcome : meet_all(RankKind::kProcesses, worlds(16), body)) {
    CHECK(outcome.status == TUTTI_NO_MEMORY);
    CHECK_THAT(outcome.text, Catch::Contains("rank 1 ran out of file descriptors") &&
                                 Catch::Contains("the limit is 24: raise it (ulimit -n)"));
  }
}

TEST_CASE("signals do not disturb a meeting") {
  struct sigaction quiet {};
  quiet.sa_handler = [](int) {};
  sigaction(SIGUSR1, &quiet, nullptr);
  std::atomic<bool> stop{false};
  std::thread pest([&] {
    while (!stop) kill(getpid(), SIGUSR1), std::this_thread::sleep_for(milliseconds(1));
  });
  const auto body = [](const World& world) {
    if (world.rank == 2) std::this_thread::sleep_for(milliseconds(100));
    whole_start(world);
  };
  CHECK(failures(meet_all(RankKind::kThreads, worlds(4), body)) == "");
  stop = true;
  pest.join();
}

TEST_CASE("no start leaves a descriptor behind, whether it works or fails") {
  const auto open_descriptors = [] {
    namespace fs = std::filesystem;
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  const auto before = open_descriptors();
  auto twice = worlds(4), missing = worlds(4, milliseconds(50)), unequal = worlds(4);
  twice[3].rank = 1;
  missing.pop_back();
  unequal[2].size = 5;
  for (const auto& ranks : {worlds(5), twice, missing, unequal})
    meet_all(RankKind::kThreads, ranks, whole_start);
  CHECK(open_descriptors() == before);
}

// What the shared memory transport costs, without plans and calls: two or more ranks as processes,
// bound to cores in turn. Prints, beside the cost of one cache line there and back just before and
// after (the machine moves between states, so compare only rows of the same one):
//   exchange   both ranks post, view and release: one step of a naive all_reduce
//   pull       one rank posts, the other fetches
// Usage: shm_bench [ranks] [cross|nocross] [most bytes]. Each time is the least of the repeats,
// which is what a machine that others use too can tell.
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "transport/bootstrap/world.h"
#include "transport/transport.h"

namespace {

using namespace tutti;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kHash = 1;

struct Board {
  alignas(128) std::atomic<std::uint32_t> ping, pong;
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

template <typename Attempt>
void await(Transport& t, Attempt attempt) {
  if (attempt()) return;
  do {
    t.progress() ? t.busy() : t.idle();
  } while (!attempt());
  t.busy();
}

/// ns for one cache line there and back.
double line_ns(Board& board, int rank) {
  constexpr std::uint32_t kTrips = 20000;
  const std::uint32_t base = board.pong.load();
  const auto begin = Clock::now();
  for (std::uint32_t i = 1; i <= kTrips; ++i) {
    if (rank == 0) {
      board.ping.store(base + i, std::memory_order_release);
      while (board.pong.load(std::memory_order_acquire) != base + i) {
      }
    } else {
      while (board.ping.load(std::memory_order_acquire) != base + i) {
      }
      board.pong.store(base + i, std::memory_order_release);
    }
  }
  return seconds_since(begin) / kTrips * 1e9;
}

void take(Transport& t, int peer, std::byte* to, std::size_t bytes, bool view_only) {
  std::size_t done = 0;
  do {
    View view;
    await(t, [&] {
      view = view_only ? t.endpoint(peer).view(0, kHash, bytes - done)
                       : t.endpoint(peer).fetch(0, kHash, to + done, bytes - done, Stores::kCached);
      return view.there;
    });
    if (view_only && view.bytes > 0) {
      copy_bytes(to + done, view.data, view.bytes, Stores::kCached);
      t.endpoint(peer).advance(0, view.bytes);
    }
    done += view.bytes;
  } while (done < bytes);
  t.endpoint(peer).release(0);
}

void barrier(Transport& t) {
  const Piece none{};
  for (int distance = 1; distance < t.size(); distance *= 2) {
    await(t, [&] {
      return t.endpoint((t.rank() + distance) % t.size()).post(0, kHash, {&none, 1});
    });
    take(t, (t.rank() + t.size() - distance) % t.size(), nullptr, 0, false);
  }
}

/// Everybody sends to everybody; us per round.
double exchange_us(Transport& t, const std::byte* from, std::byte* to, std::size_t bytes,
                   int rounds) {
  barrier(t);
  const auto begin = Clock::now();
  const Piece piece{from, bytes};
  for (int round = 0; round < rounds; ++round) {
    for (int i = 1; i < t.size(); ++i)
      await(t, [&] { return t.endpoint((t.rank() + i) % t.size()).post(0, kHash, {&piece, 1}); });
    for (int i = 1; i < t.size(); ++i) take(t, (t.rank() + i) % t.size(), to, bytes, bytes <= 56);
    for (int i = 1; i < t.size(); ++i)
      await(t, [&] { return t.endpoint((t.rank() + i) % t.size()).drained(0, 0); });
  }
  return seconds_since(begin) / rounds * 1e6;
}

/// Rank 0 sends to rank 1; us per message.
double pull_us(Transport& t, const std::byte* from, std::byte* to, std::size_t bytes, int rounds) {
  barrier(t);
  const auto begin = Clock::now();
  const Piece piece{from, bytes};
  for (int round = 0; round < rounds; ++round) {
    if (t.rank() == 0) {
      await(t, [&] { return t.endpoint(1).post(0, kHash, {&piece, 1}); });
      await(t, [&] { return t.endpoint(1).drained(0, 0); });
    } else if (t.rank() == 1) {
      take(t, 0, to, bytes, false);
    }
  }
  return seconds_since(begin) / rounds * 1e6;
}

double least(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

void run(Transport& t, Board& board, std::size_t most_bytes) {
  auto* const registered = static_cast<std::byte*>(t.allocate(most_bytes));
  auto* const target = static_cast<std::byte*>(t.allocate(most_bytes));
  std::vector<std::byte> pageable(most_bytes, std::byte{1}),
      pageable_target(most_bytes, std::byte{1});
  std::memset(registered, 1, most_bytes);
  if (t.rank() == 0)
    std::printf("%10s %10s %12s %12s %12s %12s\n", "bytes", "line_ns", "ex_reg_us", "ex_page_us",
                "pull_reg_us", "pull_page_us");
  for (std::size_t bytes = 8; bytes <= most_bytes; bytes *= bytes < 65536 ? 2 : 4) {
    const int rounds = static_cast<int>(std::clamp<std::size_t>((8u << 20) / bytes, 2, 3000));
    std::vector<double> samples[4], lines;
    for (int repeat = 0; repeat < (bytes < (1u << 20) ? 15 : 5); ++repeat) {
      if (t.size() == 2) lines.push_back(line_ns(board, t.rank()));
      samples[0].push_back(exchange_us(t, registered, target, bytes, rounds));
      samples[1].push_back(exchange_us(t, pageable.data(), pageable_target.data(), bytes, rounds));
      samples[2].push_back(pull_us(t, registered, target, bytes, rounds));
      samples[3].push_back(pull_us(t, pageable.data(), pageable_target.data(), bytes, rounds));
    }
    if (t.size() == 2) lines.push_back(line_ns(board, t.rank()));
    if (t.rank() != 0) continue;
    std::printf("%10zu %4.0f-%-4.0f %12.3f %12.3f %12.3f %12.3f\n", bytes,
                lines.empty() ? 0.0 : *std::min_element(lines.begin(), lines.end()),
                lines.empty() ? 0.0 : *std::max_element(lines.begin(), lines.end()),
                least(samples[0]), least(samples[1]), least(samples[2]), least(samples[3]));
    std::fflush(stdout);
  }
}

void bind(int rank) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(static_cast<std::size_t>(rank) % static_cast<std::size_t>(sysconf(_SC_NPROCESSORS_ONLN)),
          &mask);
  sched_setaffinity(0, sizeof mask, &mask);
}

}  // namespace

int main(int argc, char** argv) {
  const int ranks = argc > 1 ? std::atoi(argv[1]) : 2;
  const std::size_t most_bytes = argc > 3 ? std::stoull(argv[3]) : std::size_t{64} << 20;
  void* const shared =
      mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (ranks < 2 || shared == MAP_FAILED) return 2;
  World world;
  world.size = ranks;
  world.address = "shm-bench-" + std::to_string(getpid());
  if (argc > 2)
    world.cross_memory =
        std::string(argv[2]) == "nocross" ? CrossMemory::kNever : CrossMemory::kAlways;
  for (int rank = 0; rank < ranks; ++rank) {
    if (fork() != 0) continue;
    bind(rank);
    world.rank = rank;
    try {
      run(*make_shm_transport(world), *static_cast<Board*>(shared), most_bytes);
      std::_Exit(0);  // the rank has left in good order
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      std::_Exit(1);
    }
  }
  int failed = 0;
  for (int status = 0; wait(&status) > 0;) failed |= status;
  return failed == 0 ? 0 : 1;
}

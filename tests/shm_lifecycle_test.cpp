// Starting and ending: nothing is left behind, however the ranks end, and many ranks fit.
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "kernels/error.h"
#include "tests/catch.h"
#include "tests/transport_test_kit.h"

namespace tutti::test {
namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

/// Entries whose name contains `part`.
std::size_t entries(const std::string& directory, const std::string& part = "") {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    count += entry.path().filename().string().find(part) != std::string::npos;
  return count;
}

std::size_t lines_with(const std::string& file, const std::string& part) {
  std::ifstream in(file);
  std::size_t count = 0;
  for (std::string line; std::getline(in, line);) count += line.find(part) != std::string::npos;
  return count;
}

struct Holdings {
  std::size_t descriptors = entries("/proc/self/fd");
  std::size_t threads = entries("/proc/self/task");
  std::size_t segments = lines_with("/proc/self/maps", "memfd:tutti");
  std::size_t names = entries("/dev/shm", "tutti") + lines_with("/proc/self/maps", "/dev/shm/");
  // No other test runs beside this one.
  std::size_t sockets = lines_with("/proc/net/unix", "@tutti-" + std::to_string(geteuid()) + "-");

  bool within(const Holdings& h) const {
    return descriptors <= h.descriptors && threads <= h.threads && segments <= h.segments &&
           names <= h.names && sockets <= h.sockets;
  }
};

std::ostream& operator<<(std::ostream& out, const Holdings& h) {
  return out << h.descriptors << " descriptors, " << h.threads << " threads, " << h.segments
             << " segments, " << h.names << " names, " << h.sockets << " sockets";
}

/// What there is more of than `before`; empty if nothing. The kernel takes threads off its list a
/// moment after they were joined, and another rank may still be closing its sockets.
std::string left_since(const Holdings& before) {
  const auto limit = std::chrono::steady_clock::now() + 5s;
  Holdings after;
  while (!after.within(before) && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(5ms);
    after = Holdings();
  }
  if (after.within(before)) return "";
  std::ostringstream text;
  text << "before: " << before << "; after: " << after;
  return text.str();
}

/// Every rank sends 8 bytes to the next one, and reads arena memory of it.
void greet_neighbour(Transport& t) {
  const int next = (t.rank() + 1) % t.size(), last = (t.rank() + t.size() - 1) % t.size();
  const auto data = pattern(8, 1);
  auto* const memory = static_cast<std::byte*>(t.allocate(5000));
  const Piece small{data.data(), data.size()}, large{memory, 5000};
  post(t, next, 0, {&small, 1});
  post(t, next, 0, {&large, 1});
  expect(receive(t, last, 0, 8, How::kView) == data, "wrong bytes");
  receive(t, last, 0, 5000, How::kView);
  drain(t, next, 0);
}

}  // namespace

TEST_CASE("worlds leave no descriptor, mapping or thread behind") {
  CHECK(errors_of(run_transports(RankKind::kThreads, 3, greet_neighbour)) == "");
  const Holdings before;
  for (int i = 0; i < 100; ++i)
    REQUIRE(errors_of(run_transports(RankKind::kThreads, 3, greet_neighbour)) == "");
  CHECK(left_since(before) == "");
}

TEST_CASE("worlds of processes leave nothing behind", "[processes]") {
  const auto ended = run_worlds(RankKind::kProcesses, 2, [](World world) {
    const auto cycle = [&] {
      const auto transport = make_shm_transport(world);
      greet_neighbour(*transport);
    };
    cycle();
    const Holdings before;
    const std::string address = world.address;
    for (int i = 0; i < 100; ++i) {
      world.address = address + "." + std::to_string(i);
      cycle();
    }
    const std::string left = left_since(before);
    expect(left.empty(), left);
  });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("nothing is left after all ranks are killed", "[processes]") {
  const Holdings before;
  // Who sees another one die first would end in good order.
  void* const shared = mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& arrived = *static_cast<std::atomic<int>*>(shared);
  const auto ended = run_transports(RankKind::kProcesses, 4, [&](Transport& t) {
    greet_neighbour(t);
    ++arrived;
    while (arrived < t.size()) std::this_thread::yield();
    kill(getpid(), SIGKILL);
  });
  munmap(shared, sizeof(std::atomic<int>));
  for (const Ended& rank : ended) CHECK(rank.signal == SIGKILL);
  CHECK(left_since(before) == "");
}

TEST_CASE("ranks of different PID namespaces are different, though their numbers are the same",
          "[processes]") {
  if (kSanitized) return tutti::skip_test("LeakSanitizer fails in another PID namespace");
  const auto ended = run_worlds(RankKind::kProcesses, 2, [](const World& world) {
    if (unshare(CLONE_NEWPID) != 0) return tutti::skip_test("no PID namespace may be made here");
    const pid_t child = fork();
    if (child == 0) {
      std::string error = getpid() == 1 ? "" : "not the first process of its namespace";
      try {
        greet_neighbour(*make_shm_transport(world));
      } catch (const std::exception& failure) {
        error = failure.what();
      }
      if (!error.empty()) std::fprintf(stderr, "rank %d: %s\n", world.rank, error.c_str());
      _exit(error.empty() ? 0 : 1);
    }
    expect(child > 0, "cannot fork");
    int status = 0;
    expect(waitpid(child, &status, 0) == child && status == 0, "the rank failed");
  });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("64 ranks start as threads and greet each other") {
  const auto begin = std::chrono::steady_clock::now();
  CHECK(errors_of(run_transports(RankKind::kThreads, 64, greet_neighbour)) == "");
  const auto took = std::chrono::steady_clock::now() - begin;
  std::printf(
      "64 threads: %lld ms\n",
      static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
}

TEST_CASE("64 ranks start as processes and greet each other", "[processes]") {
  const auto begin = std::chrono::steady_clock::now();
  CHECK(errors_of(run_transports(RankKind::kProcesses, 64, greet_neighbour)) == "");
  const auto took = std::chrono::steady_clock::now() - begin;
  std::printf(
      "64 processes: %lld ms\n",
      static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
}

namespace {

/// Ranks of a world as threads of two processes with these limits of descriptors. All errors.
std::string run_in_two_processes(int size, rlim_t soft, rlim_t hard, const WorldBody& after) {
  const auto ended = run_worlds(RankKind::kProcesses, 2, [&](const World& pair) {
    const rlimit limit{.rlim_cur = soft, .rlim_max = hard};
    expect(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    std::vector<std::string> errors(static_cast<std::size_t>(size));
    std::vector<std::thread> threads;
    for (int rank = pair.rank; rank < size; rank += 2)
      threads.emplace_back([&, rank] {
        World world = pair;
        world.rank = rank;
        world.size = size;
        try {
          greet_neighbour(*make_shm_transport(world));
        } catch (const Error& error) {
          errors[static_cast<std::size_t>(rank)] =
              std::to_string(error.status()) + " " + error.what() + "\n";
        }
      });
    for (std::thread& thread : threads) thread.join();
    after(pair);
    std::string all;
    for (const std::string& error : errors) all += error;
    if (!all.empty()) throw std::runtime_error(all);
  });
  return ended[0].error + ended[1].error;
}

rlimit descriptor_limit() {
  rlimit limit{};
  expect(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  return limit;
}

}  // namespace

TEST_CASE("64 ranks start as threads where 512 descriptors are allowed", "[processes]") {
  const auto ended = run_worlds(RankKind::kProcesses, 1, [](const World&) {
    const rlimit few{.rlim_cur = 512, .rlim_max = 512};
    expect(setrlimit(RLIMIT_NOFILE, &few) == 0, "setrlimit");
    const std::string errors = errors_of(run_transports(RankKind::kThreads, 64, greet_neighbour));
    expect(errors.empty(), errors);
  });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("a soft limit of descriptors that is too low for a world is raised", "[processes]") {
  const rlim_t hard = descriptor_limit().rlim_max;
  if (hard < 2048) return tutti::skip_test("at most " + std::to_string(hard) + " descriptors");
  CHECK(run_in_two_processes(48, 256, hard, [](const World&) {
          expect(descriptor_limit().rlim_cur > 256, "the soft limit is still 256");
        }) == "");
}

TEST_CASE("a hard limit of descriptors that is too low is an error on every rank that names it",
          "[processes]") {
  if (kSanitized) return tutti::skip_test("the sanitizer needs descriptors to look at an Error");
  const std::string errors = run_in_two_processes(48, 400, 400, [](const World&) {});
  const std::string named = "the limit is 400: raise it (ulimit -n)\n";
  int times = 0;
  for (std::size_t at = 0; (at = errors.find(named, at)) != std::string::npos; ++at) ++times;
  INFO(errors);
  CHECK(times == 48);
}

TEST_CASE("a rank holds at most its budget of memory", "[processes]") {
  const auto ended = run_transports(RankKind::kProcesses, 8, [](Transport& t) {
    // Fill everything that can be filled: staging, lines, scratch.
    const auto data = pattern(200'000, 1);
    const Piece piece{data.data(), data.size()};
    std::fill_n(t.scratch().data(), t.scratch().size(), std::byte{1});
    for (int peer = 0; peer < t.size(); ++peer)
      for (int lane = 0; peer != t.rank() && lane < 4; ++lane) post(t, peer, lane, {&piece, 1});
    for (int peer = 0; peer < t.size(); ++peer)
      for (int lane = 0; peer != t.rank() && lane < 4; ++lane)
        receive(t, peer, lane, data.size(), How::kView);
    for (int peer = 0; peer < t.size(); ++peer)
      for (int lane = 0; peer != t.rank() && lane < 4; ++lane) drain(t, peer, lane);
    struct stat status {};
    std::size_t own = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
      if (std::filesystem::read_symlink(entry).string().find("memfd:tutti-segment") !=
              std::string::npos &&
          stat(entry.path().c_str(), &status) == 0)
        own = std::max(own, static_cast<std::size_t>(status.st_blocks) * 512);
    const std::size_t budget =
        (std::size_t{4} << 20) + static_cast<std::size_t>(t.size() - 1) * (std::size_t{32} << 10);
    expect(own > 0 && own <= budget,
           std::to_string(own) + " bytes of segment; the budget is " + std::to_string(budget));
  });
  CHECK(errors_of(ended) == "");
}

}  // namespace tutti::test

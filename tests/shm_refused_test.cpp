// Where the system refuses a call (a container, seccomp), ranks go on in another way, and say so
// once where it costs them something.
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/captured_stderr.h"
#include "tests/catch.h"
#include "tests/ranks.h"

namespace {

using namespace tutti::test;
using namespace std::chrono_literals;

/// From now on this process's calls of `number` fail with `error`. False: it may install no filter.
bool refuse(long number, int error) {
  const auto wanted = static_cast<std::uint32_t>(number);
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog filter{.len = std::size(rules), .filter = rules};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Whether processes may install filters here; says so where they may not.
bool can_refuse() {
  const pid_t child = fork();
  if (child == 0) _exit(refuse(SYS_membarrier, ENOSYS) ? 0 : 1);
  int status = 1;
  const bool can = child > 0 && waitpid(child, &status, 0) == child && status == 0;
  if (!can) tutti::skip_test("no seccomp filters here");
  return can;
}

void run_on_one_cpu() {
  cpu_set_t mask{}, one{};
  expect(sched_getaffinity(0, sizeof mask, &mask) == 0, "affinity");
  std::size_t first = 0;
  while (!CPU_ISSET(first, &mask)) ++first;
  CPU_SET(first, &one);
  expect(sched_setaffinity(0, sizeof one, &one) == 0, "affinity");
}

/// One all_reduce of `count` floats, rank + 1 each, whose sum is known.
void sum_ones(int rank, int size, std::size_t count, tutti_comm* comm) {
  const std::vector<float> send(count, static_cast<float>(rank + 1));
  std::vector<float> recv(count);
  ok(tutti_all_reduce(send.data(), recv.data(), count, TUTTI_F32, TUTTI_SUM, comm, nullptr), comm);
  const auto sum = static_cast<float>(size * (size + 1) / 2);
  expect(recv == std::vector<float>(count, sum), "wrong sum");
}

/// Ranks that come late to every third call, so that the others sleep and must be woken.
void call_and_sleep(int rank, int size, tutti_comm* comm) {
  for (int call = 0; call < 60; ++call) {
    if (call % 3 == 0 && (call / 3) % size == rank) std::this_thread::sleep_for(5ms);
    sum_ones(rank, size, call % 2 == 0 ? 2 : 50'000, comm);
  }
}

using Prepare = std::function<void(int rank)>;

/// A world of processes, each of which `prepare`s before it starts.
std::string run_prepared(int size, const Prepare& prepare, const RankBody& body) {
  return run_configs(RankKind::kProcesses, size, [&](const tutti_config& config) {
    prepare(config.rank);
    tutti_comm* comm = nullptr;
    ok(tutti_start(&comm, &config), nullptr);
    body(config.rank, comm);
    ok(tutti_finish(comm), nullptr);
  });
}

void refuse_membarrier() {
  expect(refuse(SYS_membarrier, ENOSYS), "no filter");
  const long result = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  expect(result == -1 && errno == ENOSYS, "membarrier is still there");
}

constexpr const char* kRefusal = "read each other's memory (process_vm_readv)";

/// The sizes that are inline, staged and read in place.
void sum_all_sizes(int rank, int size, tutti_comm* comm) {
  for (const std::size_t count : {2u, 500u, 300'000u, 3u}) sum_ones(rank, size, count, comm);
}

}  // namespace

TEST_CASE("without membarrier sleepers are woken all the same", "[processes]") {
  if (!can_refuse()) return;
  CHECK(run_prepared(
            2, [](int) { refuse_membarrier(); },
            [](int rank, tutti_comm* comm) { call_and_sleep(rank, 2, comm); }) == "");
}

TEST_CASE("a rank that lacks membarrier is enough for all to do without", "[processes]") {
  if (!can_refuse()) return;
  const auto prepare = [](int rank) {
    if (rank == 1) refuse_membarrier();
  };
  CHECK(run_prepared(3, prepare,
                     [](int rank, tutti_comm* comm) { call_and_sleep(rank, 3, comm); }) == "");
}

TEST_CASE("ranks that share a CPU and lack membarrier fence their posts", "[processes]") {
  if (!can_refuse()) return;
  const auto prepare = [](int) {
    run_on_one_cpu();
    refuse_membarrier();
  };
  CHECK(run_prepared(3, prepare,
                     [](int rank, tutti_comm* comm) { call_and_sleep(rank, 3, comm); }) == "");
}

TEST_CASE("where process_vm_readv is refused messages are copied, and one rank says so once",
          "[processes]") {
  if (!can_refuse()) return;
  for (const int refused : {-1, 0, 2}) {  // -1: on all ranks
    CAPTURE(refused);
    const CapturedStderr said;
    const auto prepare = [&](int rank) {
      setenv("TUTTI_CROSS_MEMORY", "1", 1);
      if (refused == -1 || refused == rank)
        expect(refuse(SYS_process_vm_readv, EPERM), "no filter");
    };
    const std::string failures =
        run_prepared(3, prepare, [](int rank, tutti_comm* comm) { sum_all_sizes(rank, 3, comm); });
    CHECK(failures == "");
    INFO(said.text());
    CHECK(said.count(kRefusal) == 1);
    CHECK(said.count(refused == 2 ? "rank 0: this system does not let rank 2 and this one"
                                  : "rank 0: this system does not let rank 1 and this one") == 1);
  }
}

TEST_CASE("with TUTTI_LOG=off nothing is said of copies", "[processes]") {
  if (!can_refuse()) return;
  const CapturedStderr said;
  const auto prepare = [&](int) {
    setenv("TUTTI_LOG", "off", 1);
    setenv("TUTTI_CROSS_MEMORY", "1", 1);  // else nothing would be said anyway
    expect(refuse(SYS_process_vm_readv, EPERM), "no filter");
  };
  CHECK(run_prepared(2, prepare,
                     [](int rank, tutti_comm* comm) { sum_all_sizes(rank, 2, comm); }) == "");
  CHECK(said.text() == "");
}

TEST_CASE("process_vm_readv that is refused after the start is an error that names the rank",
          "[processes]") {
  if (!can_refuse()) return;
  const auto body = [](int rank, tutti_comm* comm) {
    expect(refuse(SYS_process_vm_readv, EPERM), "no filter");
    const std::vector<float> send(300'000, 1.0F);
    std::vector<float> recv(send.size());
    const tutti_status status = tutti_all_reduce(send.data(), recv.data(), send.size(), TUTTI_F32,
                                                 TUTTI_SUM, comm, nullptr);
    const std::string text = tutti_error_text(comm);
    expect(status == TUTTI_PEER_FAILED, text);
    expect(text.find("'s memory cannot be read (pid ") != std::string::npos, text);
    expect(text.find("rank " + std::to_string(rank) + ": all_reduce #1") == 0, text);
  };
  const auto prepare = [](int) { setenv("TUTTI_CROSS_MEMORY", "1", 1); };
  CHECK(run_prepared(2, prepare, body) == "");
}

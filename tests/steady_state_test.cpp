// A repeated call allocates nothing, and makes no system call but those of waiting (futex,
// sched_yield, membarrier) and of reading a peer's pageable memory (process_vm_readv). What the
// first one does when an allocation fails.
//
// Allocations are counted, and made to fail, by wrapping malloc; system calls are seen by tracing a
// rank's main thread with ptrace.
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/ranks.h"
#include "tutti/tutti.h"

namespace {
thread_local bool counting = false;
std::atomic<int> allocations{0};
thread_local int until_refused = -1;  // allocations of this thread; none is refused below 0

/// Notes an allocation. True: it is to fail.
bool refused() {
  if (counting) allocations.fetch_add(1, std::memory_order_relaxed);
  if (until_refused < 0 || until_refused-- > 0) return false;
  errno = ENOMEM;
  return true;
}
}  // namespace

// glibc lets a program replace its allocator; these count, and go on to glibc's own.
extern "C" {
void* __libc_malloc(std::size_t bytes);                       // NOLINT: glibc's names
void* __libc_calloc(std::size_t n, std::size_t bytes);        // NOLINT
void* __libc_realloc(void* old, std::size_t bytes);           // NOLINT
void* __libc_memalign(std::size_t align, std::size_t bytes);  // NOLINT

void* malloc(std::size_t bytes) { return refused() ? nullptr : __libc_malloc(bytes); }
void* calloc(std::size_t n, std::size_t bytes) {
  return refused() ? nullptr : __libc_calloc(n, bytes);
}
void* realloc(void* old, std::size_t bytes) {
  return refused() ? nullptr : __libc_realloc(old, bytes);
}
void* aligned_alloc(std::size_t align, std::size_t bytes) {
  return refused() ? nullptr : __libc_memalign(align, bytes);
}
}

namespace {

using namespace tutti::test;

constexpr std::size_t kBytes[] = {8, 4096, 65'536, std::size_t{3} << 20};

struct Memory {
  void *send = nullptr, *recv = nullptr;
};

Memory allocate(bool registered, std::size_t bytes, tutti_comm* comm) {
  Memory m;
  if (registered) {
    ok(tutti_alloc(&m.send, bytes, comm), comm);
    ok(tutti_alloc(&m.recv, bytes, comm), comm);
  } else {
    m = {std::calloc(bytes, 1), std::calloc(bytes, 1)};
  }
  return m;
}

void release(bool registered, const Memory& m, tutti_comm* comm) {
  if (registered) {
    ok(tutti_free(m.send, comm), comm);
    ok(tutti_free(m.recv, comm), comm);
  } else {
    std::free(m.send);
    std::free(m.recv);
  }
}

// One round of each kind of call, on memory that is there already.
void call_all(const std::vector<Memory>& memory, tutti_comm* comm) {
  std::int32_t size = 1;
  ok(tutti_size(comm, &size), comm);
  std::size_t next = 0;
  for (const std::size_t bytes : kBytes) {
    for (int kind = 0; kind < 2; ++kind, ++next) {
      const Memory& m = memory[next];
      ok(tutti_all_reduce(m.send, m.recv, bytes / 4, TUTTI_F32, TUTTI_SUM, comm, nullptr), comm);
      ok(tutti_all_reduce(m.recv, m.recv, bytes / 4, TUTTI_F32, TUTTI_AVG, comm, nullptr), comm);
      ok(tutti_broadcast(m.send, m.recv, bytes / 4, TUTTI_F32, size - 1, comm, nullptr), comm);
    }
  }
  ok(tutti_barrier(comm, nullptr), comm);
}

std::vector<Memory> allocate_all(tutti_comm* comm) {
  std::vector<Memory> memory;
  for (const std::size_t bytes : kBytes) {
    for (const bool registered : {false, true}) memory.push_back(allocate(registered, bytes, comm));
  }
  return memory;
}

void release_all(const std::vector<Memory>& memory, tutti_comm* comm) {
  for (std::size_t m = 0; m < memory.size(); ++m) release(m % 2 == 1, memory[m], comm);
}

// ---- Tracing -----------------------------------------------------------------------------------

// The traced rank marks the calls to watch by asking for its parent's pid.
constexpr long kMark = SYS_getppid;

struct Trace {
  bool traced = false;       // whether ptrace works here at all
  std::set<long> forbidden;  // system calls seen between the marks
  int marks = 0;
  int status = 0;  // the child's
};

bool is_waiting(long call) {
  return call == SYS_futex || call == SYS_sched_yield || call == SYS_membarrier ||
         call == SYS_process_vm_readv;
}

long current_call(pid_t child) {
  __ptrace_syscall_info info{};
  const long got = ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
  if (got <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY) return -1;
  return static_cast<long>(info.entry.nr);
}

// Follows the child's main thread to its end. A child that has stopped itself is ready to be
// traced.
Trace follow(pid_t child) {
  Trace trace;
  if (waitpid(child, &trace.status, 0) != child || !WIFSTOPPED(trace.status)) return trace;
  trace.traced = true;
  ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
  while (waitpid(child, &trace.status, 0) == child && WIFSTOPPED(trace.status)) {
    long deliver = 0;
    if (WSTOPSIG(trace.status) == (SIGTRAP | 0x80)) {
      const long call = current_call(child);
      if (call == kMark) ++trace.marks;
      if (trace.marks == 1 && call >= 0 && call != kMark && !is_waiting(call)) {
        trace.forbidden.insert(call);
      }
    } else {
      deliver = WSTOPSIG(trace.status);
    }
    ptrace(PTRACE_SYSCALL, child, nullptr, deliver);
  }
  return trace;
}

void traced_rank(tutti_config config) {
  tutti_comm* comm = nullptr;
  ok(tutti_start(&comm, &config), nullptr);
  const std::vector<Memory> memory = allocate_all(comm);
  for (int warm = 0; warm < 3; ++warm) call_all(memory, comm);
  if (config.rank == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    syscall(kMark);
  }
  for (int round = 0; round < 20; ++round) call_all(memory, comm);
  if (config.rank == 0) syscall(kMark);
  release_all(memory, comm);
  ok(tutti_finish(comm), nullptr);
}

pid_t start_rank(tutti_config config) {
  const pid_t child = fork();
  if (child != 0) return child;
  try {
    traced_rank(config);
  } catch (const std::exception& e) {
    const std::string text = std::string(e.what()) + "\n";
    if (write(2, text.data(), text.size()) < 0) _exit(2);
    _exit(1);
  }
  _exit(0);
}

}  // namespace

TEST_CASE("a repeated call allocates nothing") {
  for (const int ranks : {1, 2, 5}) {
    allocations = 0;
    const std::string failures = run_ranks(RankKind::kThreads, ranks, [](int, tutti_comm* comm) {
      const std::vector<Memory> memory = allocate_all(comm);
      for (int warm = 0; warm < 3; ++warm) call_all(memory, comm);
      counting = true;
      for (int round = 0; round < 20; ++round) call_all(memory, comm);
      counting = false;
      release_all(memory, comm);
    });
    CHECK(failures == "");
    CHECK(allocations.load() == 0);
  }
}

TEST_CASE("whichever allocation of a rank's call fails, all ranks are told") {
  int nth = 0;
  for (bool failed = true; failed; ++nth) {
    CAPTURE(nth);
    tutti_status ended[2] = {};
    const std::string failures = run_ranks(RankKind::kThreads, 2, [&](int rank, tutti_comm* comm) {
      tutti_options options = TUTTI_OPTIONS_INIT;
      options.algorithm = "ring";
      const float one = 1;
      float sum = 0;
      if (rank == 1) until_refused = nth;
      ended[rank] = tutti_all_reduce(&one, &sum, 1, TUTTI_F32, TUTTI_SUM, comm, &options);
      if (rank == 1) failed = until_refused < 0;
      until_refused = -1;
    });
    CHECK(failures == "");
    CHECK(ended[0] == (failed ? TUTTI_NO_MEMORY : TUTTI_OK));
    CHECK(ended[1] == ended[0]);
  }
  CHECK(nth > 10);
}

TEST_CASE("the counter of allocations counts") {
  allocations = 0;
  counting = true;
  const std::vector<int> made(1000, 7);
  counting = false;
  CHECK(made.back() == 7);
  CHECK(allocations.load() == 1);
}

TEST_CASE("a repeated call makes no system call but those of waiting", "[processes]") {
  const std::string address = "steady-" + std::to_string(getpid());
  tutti_config config = TUTTI_CONFIG_INIT;
  config.size = 2;
  config.address = address.c_str();
  config.rank = 1;
  const pid_t other = start_rank(config);
  config.rank = 0;
  const pid_t watched = start_rank(config);
  REQUIRE(other > 0);
  REQUIRE(watched > 0);
  const Trace trace = follow(watched);
  int status = 0;
  CHECK(waitpid(other, &status, 0) == other);
  CHECK(status == 0);
  REQUIRE(trace.traced);
  CHECK(trace.marks == 2);
  CHECK(trace.status == 0);
  for (const long call : trace.forbidden)
    FAIL_CHECK("system call " << call << " in a repeated call");
}

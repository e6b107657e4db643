#include "transport/shm/control.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#include <utility>

#include "kernels/error.h"

namespace tutti {
namespace {

std::size_t control_bytes(int size) {
  return sizeof(ControlHeader) + static_cast<std::size_t>(size) * sizeof(RankControl);
}

void futex_wait(std::atomic<std::uint32_t>& word, int flags, std::uint32_t seen,
                std::chrono::microseconds limit) {
  timespec time{};
  time.tv_sec = limit.count() / 1'000'000;
  time.tv_nsec = limit.count() % 1'000'000 * 1000;
  syscall(SYS_futex, &word, FUTEX_WAIT | flags, seen, &time, nullptr, 0);
}

}  // namespace

Control::Control(int size)
    : file_("tutti-control", control_bytes(size)),
      memory_(file_.fd(), 0, control_bytes(size), Mapping::Access::kReadWrite) {}

Control::Control(UniqueFd fd, int size) : file_(std::move(fd)) {
  if (file_.bytes() < control_bytes(size))
    throw Error(TUTTI_SYSTEM, "rank 0's control file is too short");
  memory_ = Mapping(file_.fd(), 0, control_bytes(size), Mapping::Access::kReadWrite);
}

void wake(RankControl& rank) {
  if (rank.asleep.exchange(0, std::memory_order_acq_rel) != 0) ring(rank);
}

void ring(RankControl& rank) {
  rank.doorbell.fetch_add(1, std::memory_order_release);  // partner: Waiter's load
  syscall(SYS_futex, &rank.doorbell, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void sleep_on(RankControl& rank, std::uint32_t seen, std::chrono::microseconds limit) {
  futex_wait(rank.doorbell, 0, seen, limit);
}

void sleep_on_private(std::atomic<std::uint32_t>& word, std::uint32_t seen,
                      std::chrono::milliseconds limit) {
  futex_wait(word, FUTEX_PRIVATE_FLAG, seen, limit);
}

void wake_private(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, nullptr, nullptr, 0);
}

bool register_membarrier() {
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

void heavy_fence(bool membarrier) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (membarrier) syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
}

}  // namespace tutti

#define _GNU_SOURCE
#include "meet.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kLine = 128, kAgreed = 256, kYields = 16, kBatches = 20, kTrips = 50 };

struct Page {
  _Alignas(kLine) _Atomic uint32_t arrived;
  _Alignas(kLine) _Atomic uint32_t generation;
  _Alignas(kLine) _Atomic uint32_t line;
  _Alignas(kLine) char agreed[kAgreed];
  _Alignas(kLine) double numbers[kMostRanks];
  _Alignas(kLine) double rows[kMostRanks][kMostSamples];
};

static struct Page *page;
static int my_rank, all_ranks, crowded;

static void die(const char *what) {
  perror(what);
  exit(1);
}

double now_s(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void meet_open(const char *path, int rank, int ranks) {
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0 || ftruncate(fd, sizeof(struct Page)) != 0) die(path);
  page = mmap(NULL, sizeof(struct Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) die(path);
  close(fd);
  if (ranks > kMostRanks) {
    fprintf(stderr, "bench: at most %d ranks\n", kMostRanks);
    exit(1);
  }
  my_rank = rank;
  all_ranks = ranks;
  crowded = ranks > (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static long futex(int operation, uint32_t value) {
  return syscall(SYS_futex, &page->generation, operation, value, NULL, NULL, 0);
}

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/* yields < 0: spin for ever; else yield so often, and then sleep. */
static void wait_for_all(int yields) {
  const uint32_t before = atomic_load_explicit(&page->generation, memory_order_acquire);
  if (atomic_fetch_add(&page->arrived, 1) + 1 == (uint32_t)all_ranks) {
    atomic_store_explicit(&page->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&page->generation, before + 1, memory_order_release);
    if (yields >= 0) futex(FUTEX_WAKE, INT_MAX);
    return;
  }
  for (int turn = 0; atomic_load_explicit(&page->generation, memory_order_acquire) == before; ++turn) {
    if (yields < 0)
      relax();
    else if (turn < yields)
      sched_yield();
    else
      futex(FUTEX_WAIT, before);
  }
}

void meet(void) { wait_for_all(crowded ? kYields : -1); }
void meet_asleep(void) { wait_for_all(0); }

void meet_agree(void *bytes, size_t length) {
  if (my_rank == 0) memcpy(page->agreed, bytes, length);
  meet_asleep();
  memcpy(bytes, page->agreed, length);
  meet();
}

double meet_greatest(double mine) {
  page->numbers[my_rank] = mine;
  meet();
  double greatest = page->numbers[0];
  for (int rank = 1; rank < all_ranks; ++rank)
    if (page->numbers[rank] > greatest) greatest = page->numbers[rank];
  meet();
  return greatest;
}

double meet_sum(double mine) {
  page->numbers[my_rank] = mine;
  meet();
  double sum = 0;
  for (int rank = 0; rank < all_ranks; ++rank) sum += page->numbers[rank];
  meet();
  return sum;
}

double *meet_row(int rank) { return page->rows[rank]; }

static void await_line(uint32_t value) {
  while (atomic_load_explicit(&page->line, memory_order_acquire) != value) {
  }
}

/* Rank 0 writes odd numbers, rank 1 the even one after each. */
static double pass_line(uint32_t *turn) {
  const double start = now_s();
  for (int trip = 0; trip < kTrips; ++trip, *turn += 2) {
    if (my_rank == 0) {
      atomic_store_explicit(&page->line, *turn + 1, memory_order_release);
      await_line(*turn + 2);
    } else {
      await_line(*turn + 1);
      atomic_store_explicit(&page->line, *turn + 2, memory_order_release);
    }
  }
  return (now_s() - start) / kTrips * 1e9;
}

static double best_batch(void) {
  cpu_set_t before, pinned;
  sched_getaffinity(0, sizeof before, &before);
  CPU_ZERO(&pinned);
  CPU_SET((size_t)my_rank, &pinned);
  sched_setaffinity(0, sizeof pinned, &pinned);
  uint32_t turn = 0;
  double best = 1e9;
  for (int batch = 0; batch < kBatches; ++batch) {
    const double taken = pass_line(&turn);
    if (taken < best) best = taken;
  }
  sched_setaffinity(0, sizeof before, &before);
  return best;
}

double meet_line_ns(void) {
  if (all_ranks < 2 || sysconf(_SC_NPROCESSORS_ONLN) < 2) return 0;
  if (my_rank == 0) atomic_store(&page->line, 0);
  meet_asleep();
  double best = my_rank < 2 ? best_batch() : 0;
  meet_asleep();
  meet_agree(&best, sizeof best);
  return best;
}

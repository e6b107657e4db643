/* One library's ranks, measured on command. Linked with one backend.
 *
 *   bench PAGE-FILE
 *
 * Rank 0 reads commands and answers with a line each; between commands all ranks sleep, so that many
 * benches can take turns on one machine.
 *
 *   prepare KIND BYTES   arrays of memory KIND (page: ordinary, on small pages; reg: what the library
 *                        likes best), and one verified call          -> prepared WRONG
 *   turn SECONDS         a measurement of about that long            -> turn LOOP_US CALL_US CALLS
 *                                                                       SAMPLES LINE_NS LINE_NS
 *   release              one verified call, and the arrays go        -> released WRONG
 *   quit
 *
 * LOOP_US: calls back to back, divided by their number. CALL_US: the median of calls timed alone. Both
 * are the slowest rank's. LINE_NS: a cache line there and back, before and after. WRONG: elements.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend.h"
#include "meet.h"

enum { kPeriod = 1021, kWarmUp = 3 };

enum Action { kPrepare, kTurn, kRelease, kQuit };

struct Command {
  int action;
  int registered;
  size_t bytes;
  double seconds;
};

struct Arrays {
  float *in, *out;
  size_t bytes;
  int registered;
};

static int rank, ranks;
static struct Arrays arrays;

/* Small integers, different on every rank: each sum is exact, so there is one right answer. */
static float input_value(int of_rank, size_t i) { return (float)((i + 7 * (size_t)of_rank) % kPeriod); }

static float result_value(size_t i) {
  float sum = 0;
  for (int other = 0; other < ranks; ++other) sum += input_value(other, i);
  return sum;
}

static void *allocate(size_t bytes) {
  if (arrays.registered) return backend_alloc(bytes);
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("bench: no memory");
    exit(1);
  }
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  return memory;
}

static void give_back(void *memory) {
  if (arrays.registered)
    backend_free(memory);
  else
    munmap(memory, arrays.bytes);
}

static void call(void) { backend_all_reduce(arrays.in, arrays.out, arrays.bytes / sizeof(float)); }

/* One call into an output full of junk; the wrong elements of all ranks. */
static double verified_call(void) {
  const size_t count = arrays.bytes / sizeof(float);
  memset(arrays.out, 0xa5, arrays.bytes);
  meet();
  call();
  double wrong = 0;
  for (size_t i = 0; i < count; ++i) wrong += arrays.out[i] != result_value(i) ? 1 : 0;
  return meet_sum(wrong);
}

static double prepare(size_t bytes, int registered) {
  arrays.bytes = bytes;
  arrays.registered = registered;
  arrays.in = allocate(bytes);
  arrays.out = allocate(bytes);
  for (size_t i = 0; i < bytes / sizeof(float); ++i) arrays.in[i] = input_value(rank, i);
  return verified_call();
}

static double release(void) {
  const double wrong = verified_call();
  give_back(arrays.in);
  give_back(arrays.out);
  return wrong;
}

static double loop_s(int calls) {
  meet();
  const double start = now_s();
  for (int i = 0; i < calls; ++i) call();
  return meet_greatest((now_s() - start) / calls);
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* The median over samples of the slowest rank's time of a single call. */
static double single_call_s(int samples) {
  double *mine = meet_row(rank);
  for (int i = 0; i < samples; ++i) {
    meet();
    const double start = now_s();
    call();
    mine[i] = now_s() - start;
  }
  meet();
  double slowest[kMostSamples];
  for (int i = 0; i < samples; ++i) {
    slowest[i] = meet_row(0)[i];
    for (int other = 1; other < ranks; ++other)
      if (meet_row(other)[i] > slowest[i]) slowest[i] = meet_row(other)[i];
  }
  meet();
  qsort(slowest, (size_t)samples, sizeof *slowest, by_value);
  return slowest[samples / 2];
}

static int at_least_one(double number, int most) {
  return number < 1 ? 1 : number > most ? most : (int)number;
}

static void take_turn(double seconds) {
  const double before = meet_line_ns();
  loop_s(kWarmUp);
  double estimate = loop_s(kWarmUp);
  meet_agree(&estimate, sizeof estimate);
  const int calls = at_least_one(seconds / 2 / estimate, 1000000);
  const int samples = at_least_one(seconds / 2 / (estimate + 1e-6), kMostSamples);
  const double loop = loop_s(calls);
  const double single = single_call_s(samples);
  const double after = meet_line_ns();
  if (rank == 0)
    printf("turn %.4f %.4f %d %d %.1f %.1f\n", loop * 1e6, single * 1e6, calls, samples, before, after);
}

static struct Command read_command(void) {
  struct Command command = {kQuit, 0, 0, 0};
  char line[128], kind[16];
  if (fgets(line, sizeof line, stdin) == NULL) return command;
  if (sscanf(line, "prepare %15s %zu", kind, &command.bytes) == 2) {
    command.action = kPrepare;
    command.registered = strcmp(kind, "reg") == 0;
  } else if (sscanf(line, "turn %lf", &command.seconds) == 1) {
    command.action = kTurn;
  } else if (strncmp(line, "release", 7) == 0) {
    command.action = kRelease;
  }
  return command;
}

/* Returns whether there is more to come. */
static int obey(const struct Command *command) {
  double wrong = 0;
  switch (command->action) {
    case kPrepare: wrong = prepare(command->bytes, command->registered); break;
    case kTurn: take_turn(command->seconds); break;
    case kRelease: wrong = release(); break;
    default: return 0;
  }
  if (rank == 0 && command->action != kTurn)
    printf("%s %.0f\n", command->action == kPrepare ? "prepared" : "released", wrong);
  fflush(stdout);
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: bench PAGE-FILE\n");
    return 2;
  }
  backend_start(&argc, &argv, &rank, &ranks);
  meet_open(argv[1], rank, ranks);
  meet();
  if (rank == 0) {
    printf("ready %d\n", ranks);
    fflush(stdout);
  }
  struct Command command;
  do {
    command = rank == 0 ? read_command() : (struct Command){0};
    meet_agree(&command, sizeof command);
  } while (obey(&command));
  backend_finish();
  return 0;
}

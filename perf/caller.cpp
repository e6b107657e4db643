#include "perf/caller.h"

#include <algorithm>
#include <cstdint>

#include "perf/buffers.h"
#include "perf/clock.h"

namespace tutti {
namespace {

template <typename Call>
tutti_status repeat(int times, Call call) {
  tutti_status status = TUTTI_OK;
  for (int i = 0; i < times && status == TUTTI_OK; ++i) status = call();
  return status;
}

tutti_status make_calls(const CallCase& c, const void* send, void* recv, tutti_comm* comm,
                        const tutti_options* o, int times) {
  switch (c.collective->value) {
    case TUTTI_ALL_REDUCE:
      return repeat(times,
                    [&] { return tutti_all_reduce(send, recv, c.count, c.dtype, c.op, comm, o); });
    case TUTTI_BROADCAST:
      return repeat(times,
                    [&] { return tutti_broadcast(send, recv, c.count, c.dtype, c.root, comm, o); });
    case TUTTI_REDUCE:
      return repeat(
          times, [&] { return tutti_reduce(send, recv, c.count, c.dtype, c.op, c.root, comm, o); });
    case TUTTI_REDUCE_SCATTER:
      return repeat(
          times, [&] { return tutti_reduce_scatter(send, recv, c.count, c.dtype, c.op, comm, o); });
    case TUTTI_ALL_GATHER:
      return repeat(times, [&] { return tutti_all_gather(send, recv, c.count, c.dtype, comm, o); });
    case TUTTI_GATHER:
      return repeat(times,
                    [&] { return tutti_gather(send, recv, c.count, c.dtype, c.root, comm, o); });
    case TUTTI_SCATTER:
      return repeat(times,
                    [&] { return tutti_scatter(send, recv, c.count, c.dtype, c.root, comm, o); });
    case TUTTI_ALL_TO_ALL:
      return repeat(times, [&] { return tutti_all_to_all(send, recv, c.count, c.dtype, comm, o); });
    case TUTTI_SCAN:
      return repeat(times, [&] { return tutti_scan(send, recv, c.count, c.dtype, c.op, comm, o); });
    case TUTTI_EXCLUSIVE_SCAN:
      return repeat(
          times, [&] { return tutti_exclusive_scan(send, recv, c.count, c.dtype, c.op, comm, o); });
    default:
      return repeat(times, [&] { return tutti_barrier(comm, o); });
  }
}

/// So many dependent multiplications and additions: only this core works, and in its registers.
void compute(std::size_t rounds) {
  volatile double end = 3;  // nothing is known of it, and it is needed
  double value = end;
  for (std::size_t i = 0; i < rounds; ++i) value = value * 0.999999 + 1e-6;
  end = value;
}

std::size_t rounds_for(double seconds) {
  constexpr std::size_t kSample = 2000;
  double best_s = seconds_since({});  // longer than any
  for (int sample = 0; sample < 9; ++sample) {
    const auto start = Clock::now();
    compute(kSample);
    best_s = std::min(best_s, seconds_since(start));
  }
  return static_cast<std::size_t>(seconds / best_s * kSample) + 1;
}

}  // namespace

OverlapTimes time_overlap(const CallCase& call, const void* send, void* recv, tutti_comm* comm,
                          const tutti_options& options, double call_s,
                          const std::function<void()>& meet) {
  constexpr std::size_t kPieces = 16;
  const std::size_t piece = rounds_for(call_s) / kPieces + 1;
  tutti_request* request = nullptr;
  tutti_options with_request = options;
  with_request.request = &request;
  const auto start_call = [&] {
    require(make_calls(call, send, recv, comm, &with_request, 1), comm);
  };
  const auto timed = [&](auto body) {
    meet();
    const auto start = Clock::now();
    body();
    return seconds_since(start);
  };
  OverlapTimes times;
  times.compute_s = timed([&] {
    for (std::size_t k = 0; k < kPieces; ++k) compute(piece);
  });
  times.communication_s = timed([&] {
    start_call();
    require(tutti_wait(request), comm);
  });
  times.both_s = timed([&] {
    start_call();
    std::int32_t done = 0;
    for (std::size_t k = 0; k < kPieces; ++k) {
      compute(piece);
      if (done == 0) require(tutti_test(request, &done), comm);
    }
    if (done == 0) require(tutti_wait(request), comm);
  });
  return times;
}

bool serves(CallCase call, tutti_comm* comm, const char* algorithm) {
  tutti_options options = TUTTI_OPTIONS_INIT;
  options.algorithm = algorithm;
  call.count = 0;
  const tutti_status status = make_calls(call, nullptr, nullptr, comm, &options, 1);
  if (status != TUTTI_NOT_FOUND) require(status, comm);
  return status != TUTTI_NOT_FOUND;
}

void call_repeatedly(const CallCase& call, const void* send, void* recv, tutti_comm* comm,
                     const tutti_options* options, int times) {
  require(make_calls(call, send, recv, comm, options, times), comm);
}

double time_calls(const CallCase& call, const void* send, void* recv, tutti_comm* comm,
                  const tutti_options* options, int times) {
  const auto start = Clock::now();
  call_repeatedly(call, send, recv, comm, options, times);
  return seconds_since(start) / times;
}

}  // namespace tutti

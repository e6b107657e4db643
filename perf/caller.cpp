#include "perf/caller.h"

#include <chrono>

#include "perf/buffers.h"

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
    default:
      return repeat(times, [&] { return tutti_barrier(comm, o); });
  }
}

}  // namespace

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
  const auto start = std::chrono::steady_clock::now();
  call_repeatedly(call, send, recv, comm, options, times);
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  return passed.count() / times;
}

}  // namespace tutti

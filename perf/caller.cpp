#include "perf/caller.h"

#include <chrono>

#include "perf/buffers.h"

namespace tutti {
namespace {

tutti_status make_calls(const CallCase& call, const void* send, void* recv, tutti_comm* comm,
                        const tutti_options* options, int times) {
  tutti_status status = TUTTI_OK;
  switch (call.collective->value) {
    case TUTTI_ALL_REDUCE:
      for (int i = 0; i < times && status == TUTTI_OK; ++i)
        status = tutti_all_reduce(send, recv, call.count, call.dtype, call.op, comm, options);
      break;
    case TUTTI_BROADCAST:
      for (int i = 0; i < times && status == TUTTI_OK; ++i)
        status = tutti_broadcast(send, recv, call.count, call.dtype, call.root, comm, options);
      break;
    default:
      for (int i = 0; i < times && status == TUTTI_OK; ++i) status = tutti_barrier(comm, options);
      break;
  }
  return status;
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

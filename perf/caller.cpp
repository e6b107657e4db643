#include "perf/caller.h"

#include <chrono>

#include "perf/buffers.h"

namespace tutti {

void call_repeatedly(const CallCase& call, const void* send, void* recv, tutti_comm* comm,
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
  require(status, comm);
}

double time_calls(const CallCase& call, const void* send, void* recv, tutti_comm* comm,
                  const tutti_options* options, int times) {
  const auto start = std::chrono::steady_clock::now();
  call_repeatedly(call, send, recv, comm, options, times);
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  return passed.count() / times;
}

}  // namespace tutti

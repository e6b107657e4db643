#include "tests/any_call.h"

namespace tutti::test {

tutti_status AnyCall::make(const void* send, void* recv, tutti_comm* comm,
                           const tutti_options* options) const {
  switch (collective) {
    case Collective::kAllReduce:
      return tutti_all_reduce(send, recv, count, dtype, op, comm, options);
    case Collective::kBroadcast:
      return tutti_broadcast(send, recv, count, dtype, root, comm, options);
    case Collective::kBarrier:
      return tutti_barrier(comm, options);
    case Collective::kReduce:
      return tutti_reduce(send, recv, count, dtype, op, root, comm, options);
    case Collective::kReduceScatter:
      return tutti_reduce_scatter(send, recv, count, dtype, op, comm, options);
    case Collective::kAllGather:
      return tutti_all_gather(send, recv, count, dtype, comm, options);
    case Collective::kGather:
      return tutti_gather(send, recv, count, dtype, root, comm, options);
    case Collective::kScatter:
      return tutti_scatter(send, recv, count, dtype, root, comm, options);
    case Collective::kAllToAll:
      return tutti_all_to_all(send, recv, count, dtype, comm, options);
    case Collective::kScan:
      return tutti_scan(send, recv, count, dtype, op, comm, options);
    case Collective::kExclusiveScan:
      return tutti_exclusive_scan(send, recv, count, dtype, op, comm, options);
  }
  return TUTTI_INTERNAL;
}

}  // namespace tutti::test

#include "tests/mpi_comparison/rows.h"

#include <cstring>

namespace tutti::test {
namespace {

std::size_t blocks(Holds holds, const Place& at) {
  const auto size = static_cast<std::size_t>(at.size);
  switch (holds) {
    case Holds::kNothing:
      return 0;
    case Holds::kBlock:
    case Holds::kOthersBlock:
      return 1;
    case Holds::kVector:
      return size;
    case Holds::kRootsBlock:
      return at.is_root() ? 1 : 0;
    case Holds::kRootsVector:
      return at.is_root() ? size : 0;
    case Holds::kNextsBlock:
      return at.rank == at.next(at.root) ? 1 : 0;
  }
  return 0;
}

/// MPI's root broadcasts from the buffer that the others receive in.
void their_broadcast(const Theirs& c) {
  int element_bytes = 0;
  MPI_Type_size(c.type, &element_bytes);
  const auto bytes = static_cast<std::size_t>(c.count) * static_cast<std::size_t>(element_bytes);
  if (c.at.is_root() && bytes > 0) std::memcpy(c.recv, c.send, bytes);
  MPI_Bcast(c.recv, c.count, c.type, c.at.root, c.comm);
}

/// From the root to the next rank, which is the same one in a world of one.
tutti_status our_message(const Ours& c) {
  const int next = c.at.next(c.at.root);
  if (c.at.size == 1)
    return tutti_send_recv(c.send, c.count, 0, c.recv, c.count, 0, c.dtype, c.comm, c.options);
  if (c.at.is_root()) return tutti_send(c.send, c.count, c.dtype, next, c.comm, c.options);
  if (c.at.rank != next) return TUTTI_OK;
  return tutti_recv(c.recv, c.count, c.dtype, c.at.root, c.comm, c.options);
}

void their_message(const Theirs& c) {
  const int next = c.at.next(c.at.root);
  MPI_Request sent = MPI_REQUEST_NULL;
  if (c.at.is_root()) MPI_Isend(c.send, c.count, c.type, next, 0, c.comm, &sent);
  if (c.at.rank == next) MPI_Recv(c.recv, c.count, c.type, c.at.root, 0, c.comm, MPI_STATUS_IGNORE);
  MPI_Wait(&sent, MPI_STATUS_IGNORE);
}

/// Each rank sends to the one that is `root` further on.
tutti_status our_shift(const Ours& c) {
  const int to = (c.at.rank + c.at.root) % c.at.size;
  const int from = (c.at.rank + c.at.size - c.at.root) % c.at.size;
  return tutti_send_recv(c.send, c.count, to, c.recv, c.count, from, c.dtype, c.comm, c.options);
}

void their_shift(const Theirs& c) {
  const int to = (c.at.rank + c.at.root) % c.at.size;
  const int from = (c.at.rank + c.at.size - c.at.root) % c.at.size;
  MPI_Sendrecv(c.send, c.count, c.type, to, 0, c.recv, c.count, c.type, from, 0, c.comm,
               MPI_STATUS_IGNORE);
}

using H = Holds;

constexpr Row kRows[] = {
    {"all_reduce", H::kBlock, H::kBlock, Takes::kAnyOp, false, TUTTI_ALL_REDUCE,
     [](const Ours& c) {
       return tutti_all_reduce(c.send, c.recv, c.count, c.dtype, c.op, c.comm, c.options);
     },
     [](const Theirs& c) { MPI_Allreduce(c.send, c.recv, c.count, c.type, c.op, c.comm); }},
    {"broadcast", H::kRootsBlock, H::kBlock, Takes::kNoOp, true, TUTTI_BROADCAST,
     [](const Ours& c) {
       return tutti_broadcast(c.send, c.recv, c.count, c.dtype, c.at.root, c.comm, c.options);
     },
     their_broadcast},
    {"barrier", H::kNothing, H::kNothing, Takes::kNoOp, false, TUTTI_BARRIER,
     [](const Ours& c) { return tutti_barrier(c.comm, c.options); }, [](const Theirs&) {}},
    {"reduce", H::kBlock, H::kRootsBlock, Takes::kAnyOp, true, TUTTI_REDUCE,
     [](const Ours& c) {
       return tutti_reduce(c.send, c.recv, c.count, c.dtype, c.op, c.at.root, c.comm, c.options);
     },
     [](const Theirs& c) { MPI_Reduce(c.send, c.recv, c.count, c.type, c.op, c.at.root, c.comm); }},
    {"reduce_scatter", H::kVector, H::kBlock, Takes::kAnyOp, false, TUTTI_REDUCE_SCATTER,
     [](const Ours& c) {
       return tutti_reduce_scatter(c.send, c.recv, c.count, c.dtype, c.op, c.comm, c.options);
     },
     [](const Theirs& c) {
       MPI_Reduce_scatter_block(c.send, c.recv, c.count, c.type, c.op, c.comm);
     }},
    {"all_gather", H::kBlock, H::kVector, Takes::kNoOp, false, TUTTI_ALL_GATHER,
     [](const Ours& c) {
       return tutti_all_gather(c.send, c.recv, c.count, c.dtype, c.comm, c.options);
     },
     [](const Theirs& c) {
       MPI_Allgather(c.send, c.count, c.type, c.recv, c.count, c.type, c.comm);
     }},
    {"gather", H::kBlock, H::kRootsVector, Takes::kNoOp, true, TUTTI_GATHER,
     [](const Ours& c) {
       return tutti_gather(c.send, c.recv, c.count, c.dtype, c.at.root, c.comm, c.options);
     },
     [](const Theirs& c) {
       MPI_Gather(c.send, c.count, c.type, c.recv, c.count, c.type, c.at.root, c.comm);
     }},
    {"scatter", H::kRootsVector, H::kBlock, Takes::kNoOp, true, TUTTI_SCATTER,
     [](const Ours& c) {
       return tutti_scatter(c.send, c.recv, c.count, c.dtype, c.at.root, c.comm, c.options);
     },
     [](const Theirs& c) {
       MPI_Scatter(c.send, c.count, c.type, c.recv, c.count, c.type, c.at.root, c.comm);
     }},
    {"all_to_all", H::kVector, H::kVector, Takes::kNoOp, false, TUTTI_ALL_TO_ALL,
     [](const Ours& c) {
       return tutti_all_to_all(c.send, c.recv, c.count, c.dtype, c.comm, c.options);
     },
     [](const Theirs& c) {
       MPI_Alltoall(c.send, c.count, c.type, c.recv, c.count, c.type, c.comm);
     }},
    {"scan", H::kBlock, H::kBlock, Takes::kAnyButAverage, false, TUTTI_SCAN,
     [](const Ours& c) {
       return tutti_scan(c.send, c.recv, c.count, c.dtype, c.op, c.comm, c.options);
     },
     [](const Theirs& c) { MPI_Scan(c.send, c.recv, c.count, c.type, c.op, c.comm); }},
    {"exclusive_scan", H::kBlock, H::kOthersBlock, Takes::kAnyButAverage, false,
     TUTTI_EXCLUSIVE_SCAN,
     [](const Ours& c) {
       return tutti_exclusive_scan(c.send, c.recv, c.count, c.dtype, c.op, c.comm, c.options);
     },
     [](const Theirs& c) { MPI_Exscan(c.send, c.recv, c.count, c.type, c.op, c.comm); }},
    {"send and recv", H::kRootsBlock, H::kNextsBlock, Takes::kNoOp, true, std::nullopt, our_message,
     their_message},
    {"send_recv", H::kBlock, H::kBlock, Takes::kNoOp, true, std::nullopt, our_shift, their_shift},
};

}  // namespace

std::size_t Row::input_blocks(const Place& at) const { return blocks(input, at); }
std::size_t Row::output_blocks(const Place& at) const { return blocks(output, at); }

bool Row::defines_output(const Place& at) const {
  return output != Holds::kOthersBlock || at.rank != 0;
}

bool Row::has_in_place_form() const {
  return collective && (input != Holds::kVector || output != Holds::kVector);
}

std::span<const Row> all_rows() { return kRows; }

}  // namespace tutti::test

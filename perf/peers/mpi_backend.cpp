// Any MPI. Errors end the process: that is MPI's default.
#include <mpi.h>

#include "perf/peers/backend.h"

namespace tutti {
namespace {

class MpiBackend : public Backend {
 public:
  MpiBackend() {
    MPI_Init(nullptr, nullptr);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks_);
  }
  ~MpiBackend() override { MPI_Finalize(); }
  MpiBackend(const MpiBackend&) = delete;
  MpiBackend& operator=(const MpiBackend&) = delete;

  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }

  std::byte* allocate(std::size_t bytes) override {
    void* memory = nullptr;
    MPI_Alloc_mem(static_cast<MPI_Aint>(bytes), MPI_INFO_NULL, &memory);
    return static_cast<std::byte*>(memory);
  }

  void give_back(std::byte* memory) override { MPI_Free_mem(memory); }

  void call(Operation operation, float* in, float* out, std::size_t count) override {
    const int all = static_cast<int>(count), block = all / ranks_;
    const MPI_Comm world = MPI_COMM_WORLD;
    switch (operation) {
      case Operation::kAllReduce:
        MPI_Allreduce(in, out, all, MPI_FLOAT, MPI_SUM, world);
        break;
      case Operation::kBroadcast:
        MPI_Bcast(rank_ == 0 ? in : out, all, MPI_FLOAT, 0, world);
        break;
      case Operation::kReduceScatter:
        MPI_Reduce_scatter_block(in, out, block, MPI_FLOAT, MPI_SUM, world);
        break;
      case Operation::kAllGather:
        MPI_Allgather(in, block, MPI_FLOAT, out, block, MPI_FLOAT, world);
        break;
      case Operation::kAllToAll:
        MPI_Alltoall(in, block, MPI_FLOAT, out, block, MPI_FLOAT, world);
        break;
      case Operation::kPingPong:
        if (rank_ == 0) MPI_Send(in, all, MPI_FLOAT, 1, 0, world);
        if (rank_ < 2) MPI_Recv(out, all, MPI_FLOAT, 1 - rank_, 0, world, MPI_STATUS_IGNORE);
        if (rank_ == 1) MPI_Send(in, all, MPI_FLOAT, 0, 0, world);
        break;
    }
  }

 private:
  int rank_ = 0, ranks_ = 0;
};

}  // namespace

std::unique_ptr<Backend> join_world() { return std::make_unique<MpiBackend>(); }

}  // namespace tutti

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

  void all_reduce(const float* in, float* out, std::size_t count) override {
    MPI_Allreduce(in, out, static_cast<int>(count), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  }

 private:
  int rank_ = 0, ranks_ = 0;
};

}  // namespace

std::unique_ptr<Backend> join_world() { return std::make_unique<MpiBackend>(); }

}  // namespace tutti

// Tutti, with the algorithm of its own choice.
#include <stdexcept>

#include "perf/peers/backend.h"
#include "tutti/tutti.h"

namespace tutti {
namespace {

class TuttiBackend : public Backend {
 public:
  TuttiBackend() {
    require(tutti_start(&comm_, nullptr));
    require(tutti_rank(comm_, &rank_));
    require(tutti_size(comm_, &ranks_));
  }
  ~TuttiBackend() override { tutti_finish(comm_); }
  TuttiBackend(const TuttiBackend&) = delete;
  TuttiBackend& operator=(const TuttiBackend&) = delete;

  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }

  std::byte* allocate(std::size_t bytes) override {
    void* memory = nullptr;
    require(tutti_alloc(&memory, bytes, comm_));
    return static_cast<std::byte*>(memory);
  }

  void give_back(std::byte* memory) override { require(tutti_free(memory, comm_)); }

  void call(Operation operation, float* in, float* out, std::size_t count) override {
    const std::size_t block = count / static_cast<std::size_t>(ranks_);
    float* const own = rank_ == 0 ? in : out;
    switch (operation) {
      case Operation::kAllReduce:
        return require(tutti_all_reduce(in, out, count, TUTTI_F32, TUTTI_SUM, comm_, nullptr));
      case Operation::kBroadcast:
        return require(tutti_broadcast(own, own, count, TUTTI_F32, 0, comm_, nullptr));
      case Operation::kReduceScatter:
        return require(tutti_reduce_scatter(in, out, block, TUTTI_F32, TUTTI_SUM, comm_, nullptr));
      case Operation::kAllGather:
        return require(tutti_all_gather(in, out, block, TUTTI_F32, comm_, nullptr));
      case Operation::kAllToAll:
        return require(tutti_all_to_all(in, out, block, TUTTI_F32, comm_, nullptr));
      case Operation::kPingPong:
        if (rank_ == 0) require(tutti_send(in, count, TUTTI_F32, 1, comm_, nullptr));
        if (rank_ < 2) require(tutti_recv(out, count, TUTTI_F32, 1 - rank_, comm_, nullptr));
        if (rank_ == 1) require(tutti_send(in, count, TUTTI_F32, 0, comm_, nullptr));
    }
  }

 private:
  void require(tutti_status status) const {
    if (status != TUTTI_OK) throw std::runtime_error(tutti_error_text(comm_));
  }

  tutti_comm* comm_ = nullptr;
  std::int32_t rank_ = 0, ranks_ = 0;
};

}  // namespace

std::unique_ptr<Backend> join_world() { return std::make_unique<TuttiBackend>(); }

}  // namespace tutti

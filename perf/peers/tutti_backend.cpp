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

  void all_reduce(const float* in, float* out, std::size_t count) override {
    require(tutti_all_reduce(in, out, count, TUTTI_F32, TUTTI_SUM, comm_, nullptr));
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

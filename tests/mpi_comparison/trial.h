// One random call: what MPI makes of it, what Tutti makes of it, and whether that is the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/mpi_comparison/buffer.h"
#include "tests/mpi_comparison/groups.h"
#include "tests/mpi_comparison/random.h"
#include "tests/mpi_comparison/rows.h"
#include "tests/mpi_comparison/types.h"

namespace tutti::test {

/// What the ranks of a communicator agree about.
struct DrawnCall {
  const Row* row;
  const Dtype* dtype;
  const Op* op;  // nullptr: the collective takes none
  Values values;
  bool reproducible;
  std::size_t count;
  int root;
  std::uint64_t algorithm;  // the number of a candidate, taken modulo how many there are; 0: none
};

/// The same on every rank of a communicator of `size` that gives the same random numbers.
DrawnCall draw_call(int size, Random random);

/// The same call again, or but for its count, op or root.
DrawnCall vary_call(DrawnCall call, int size, Random random);

/// Where a rank has its buffers: its own affair.
struct DrawnBuffers {
  bool in_place, send_registered, recv_registered;
  bool null_if_unused;         // else a pointer to no bytes
  int send_shift, recv_shift;  // elements
};

DrawnBuffers draw_buffers(Random random);

class Trial {
 public:
  /// Draws this rank's input, and has MPI work out what the output must be. Collective, as is the
  /// destructor where an op was created.
  Trial(const DrawnCall& call, const DrawnBuffers& buffers, const Group& group, tutti_comm* world,
        Random random);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  /// Makes the call: it blocks, or `request` is set, to be started if `persistent`. In a group it
  /// is only added.
  void start(tutti_request** request = nullptr, bool persistent = false);
  /// Throws if anything differs from what MPI says, or has changed that should not.
  void check() const;
  /// Puts the buffers back as they were before the call.
  void rewind();

  /// The call in words.
  std::string text() const;

 private:
  Ours with(const tutti_options* options) const;
  void create_op(Random& random);
  void choose_algorithm();
  void place_buffers();
  void ask_mpi();
  void ask_mpi_for_values();
  bool combines_floats() const;
  Theirs theirs(const void* send, void* recv, MPI_Datatype type) const;
  std::string check_values() const;

  const DrawnCall call_;
  const DrawnBuffers where_;
  const Group& group_;
  tutti_comm* const world_;
  Place at_;
  std::size_t block_bytes_;
  tutti_op op_ = 0;
  std::vector<std::byte> scalar_;  // of a pre-scaled sum
  std::string algorithm_;          // empty: Tutti's choice
  std::vector<std::byte> input_;
  std::vector<std::unique_ptr<Buffer>> buffers_;  // in place: one for both
  const void* send_ = nullptr;
  void* recv_ = nullptr;
  std::byte* recv_image_ = nullptr;
  std::vector<double> values_, tolerances_;  // of floats that are combined, and arrive here
};

}  // namespace tutti::test

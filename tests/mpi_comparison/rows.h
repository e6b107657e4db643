// The collectives: the table of what is compared. To add one, add a row.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <optional>
#include <span>

#include "tutti/tutti.h"

namespace tutti::test {

/// What a buffer of a call holds. A block is `count` elements.
enum class Holds {
  kNothing,
  kBlock,
  kVector,       // a block for each rank, in rank order
  kRootsBlock,   // on the root, nothing elsewhere
  kRootsVector,  // on the root, nothing elsewhere
  kNextsBlock,   // on the rank after the root, nothing elsewhere
  kOthersBlock,  // one block; of rank 0 whatever it likes
};

/// Who makes a call, in its communicator.
struct Place {
  int rank = 0, size = 1, root = 0;

  bool is_root() const { return rank == root; }
  int next(int of) const { return (of + 1) % size; }
  int before(int of) const { return (of + size - 1) % size; }
};

struct Ours {
  const void* send;
  void* recv;
  std::size_t count;
  tutti_dtype dtype;
  tutti_op op;
  Place at;
  tutti_comm* comm;
  const tutti_options* options;
};

struct Theirs {
  const void* send;
  void* recv;
  int count;
  MPI_Datatype type;
  MPI_Op op;
  Place at;
  MPI_Comm comm;
};

/// The ops that a collective takes.
enum class Takes { kNoOp, kAnyOp, kAnyButAverage };

struct Row {
  const char* name;
  Holds input, output;
  Takes takes;
  bool rooted;
  std::optional<tutti_collective> collective;  // none: no algorithms to choose from
  tutti_status (*ours)(const Ours&);
  void (*theirs)(const Theirs&);

  /// Blocks that a rank gives and gets.
  std::size_t input_blocks(const Place& at) const;
  std::size_t output_blocks(const Place& at) const;
  bool defines_output(const Place& at) const;
  /// Of messages and of two vectors there is none.
  bool has_in_place_form() const;
};

std::span<const Row> all_rows();

}  // namespace tutti::test

// The communicators of one stretch of the test, made alike by both libraries.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/mpi_comparison/rows.h"
#include "tutti/tutti.h"

namespace tutti::test {

/// Throws what `comm` has to say unless the call went well.
void require(tutti_status status, const tutti_comm* comm);

struct Group {
  tutti_comm* ours = nullptr;  // nullptr: this rank is not in it
  MPI_Comm theirs = MPI_COMM_NULL;
  Place at;             // the root is not drawn yet
  std::string members;  // "1 3 0": the world's ranks, in its order
};

/// The world, a duplicate of it, a split of it, and a split of that.
class Groups {
 public:
  static constexpr int kCount = 4;

  /// Collective. The same for a (seed, epoch).
  Groups(tutti_comm* world, std::uint64_t seed, std::uint64_t epoch);
  ~Groups();
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;

  const Group& operator[](int index) const { return groups_[static_cast<std::size_t>(index)]; }

 private:
  std::vector<Group> groups_;
};

}  // namespace tutti::test

#include "tests/mpi_comparison/groups.h"

#include <stdexcept>

#include "tests/mpi_comparison/random.h"

namespace tutti::test {
namespace {

/// Asks both libraries who this rank is; they must agree.
Group described(tutti_comm* ours, MPI_Comm theirs) {
  Group group;
  group.ours = ours;
  group.theirs = theirs;
  if ((ours == nullptr) != (theirs == MPI_COMM_NULL))
    throw std::runtime_error("a split has this rank in one library, and not in the other");
  if (ours == nullptr) return group;
  std::int32_t rank = -1, size = -1;
  require(tutti_rank(ours, &rank), ours);
  require(tutti_size(ours, &size), ours);
  MPI_Comm_rank(theirs, &group.at.rank);
  MPI_Comm_size(theirs, &group.at.size);
  if (rank != group.at.rank || size != group.at.size) {
    throw std::runtime_error("this is rank " + std::to_string(rank) + " of " +
                             std::to_string(size) + " after a split; MPI says " +
                             std::to_string(group.at.rank) + " of " +
                             std::to_string(group.at.size));
  }
  int world_rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
  std::vector<int> members(static_cast<std::size_t>(size));
  MPI_Allgather(&world_rank, 1, MPI_INT, members.data(), 1, MPI_INT, theirs);
  for (const int member : members)
    group.members += (group.members.empty() ? "" : " ") + std::to_string(member);
  return group;
}

Group duplicate_of(const Group& parent) {
  tutti_comm* ours = nullptr;
  MPI_Comm theirs = MPI_COMM_NULL;
  require(tutti_comm_duplicate(&ours, parent.ours), parent.ours);
  MPI_Comm_dup(parent.theirs, &theirs);
  return described(ours, theirs);
}

/// By a colour and a key of this rank's own; now and then it stays out.
Group split_of(const Group& parent, Random random) {
  if (parent.ours == nullptr) return {};
  const int colour = random.below(7) - 1;
  const int key = random.below(4) - 2;  // equal ones too
  tutti_comm* ours = nullptr;
  MPI_Comm theirs = MPI_COMM_NULL;
  require(tutti_comm_split(&ours, colour < 0 ? TUTTI_NO_COLOUR : colour / 3, key, parent.ours),
          parent.ours);
  MPI_Comm_split(parent.theirs, colour < 0 ? MPI_UNDEFINED : colour / 3, key, &theirs);
  return described(ours, theirs);
}

}  // namespace

void require(tutti_status status, const tutti_comm* comm) {
  if (status == TUTTI_OK) return;
  throw std::runtime_error(std::string(tutti_status_name(status)) + ": " + tutti_error_text(comm));
}

Groups::Groups(tutti_comm* world, std::uint64_t seed, std::uint64_t epoch) {
  groups_.push_back(described(world, MPI_COMM_WORLD));
  const auto rank = static_cast<std::uint64_t>(groups_[0].at.rank);
  groups_.push_back(duplicate_of(groups_[0]));
  groups_.push_back(split_of(groups_[0], {seed, epoch, rank, 0}));
  groups_.push_back(split_of(groups_[2], {seed, epoch, rank, 1}));
}

Groups::~Groups() {
  for (std::size_t i = 1; i < groups_.size(); ++i) {
    if (groups_[i].ours == nullptr) continue;
    tutti_comm_free(groups_[i].ours);
    MPI_Comm_free(&groups_[i].theirs);
  }
}

}  // namespace tutti::test

#include "transport/shm/shm_rank.h"

#include <unistd.h>

#include <utility>

namespace tutti {

ShmRank::ShmRank(const World& world, Joined met, std::unique_ptr<LifeThread> life)
    : rank(world.rank),
      pid(getpid()),
      warnings(world.warnings),
      call_timeout(world.call_timeout),
      report_every(world.stall_report),
      joined(std::move(met)),
      sets(rank, *joined.control, *joined.own, joined.peers),
      life_(std::move(life)) {}

ShmRank::~ShmRank() {
  // In a forked child the life thread is its parent's.
  if (getpid() != pid) static_cast<void>(life_.release());
}

}  // namespace tutti

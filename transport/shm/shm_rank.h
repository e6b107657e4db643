// A rank in its world: what all its channels have in common.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "transport/bootstrap/world.h"
#include "transport/shm/channel_set.h"
#include "transport/shm/fault.h"
#include "transport/shm/life.h"
#include "transport/shm/start.h"

namespace tutti {

/// Any thread.
class ShmRank {
 public:
  /// `life` is null in a world of one.
  ShmRank(const World& world, Joined joined, std::unique_ptr<LifeThread> life);
  ~ShmRank();
  ShmRank(const ShmRank&) = delete;
  ShmRank& operator=(const ShmRank&) = delete;

  // Fixed after construction.
  const int rank, pid;
  const bool warnings;
  const std::chrono::milliseconds call_timeout, report_every;
  Joined joined;

  FaultReport fault_report;
  ChannelSets sets;
  std::atomic<std::uint32_t> waiters = 0;  // made so far

 private:
  std::unique_ptr<LifeThread> life_;  // last: it ends first
};

}  // namespace tutti

// Signs of life: how a rank shows that it lives, and how it sees that another one does not.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "transport/shm/control.h"
#include "transport/shm/fault.h"
#include "transport/transport.h"

namespace tutti {

inline constexpr std::chrono::milliseconds kHeartbeat{100};
inline constexpr std::chrono::milliseconds kFrozenAfter{1500};

/// A thread that holds this rank's life word for as long as the process lives. The word is on the
/// thread's robust list: when the process ends in any way, the kernel marks it, before it frees the
/// process's memory. The thread also beats, and wakes this rank when the world has a fault.
class LifeThread {
 public:
  /// Returns when the word is set. Throws TUTTI_SYSTEM.
  LifeThread(ControlHeader& header, RankControl& self);
  /// Marks the rank as one that left, not died.
  ~LifeThread();
  LifeThread(const LifeThread&) = delete;
  LifeThread& operator=(const LifeThread&) = delete;

 private:
  struct RobustEntry;
  void run();

  ControlHeader& header_;
  RankControl& self_;
  std::atomic<std::uint32_t> stop_{0};         // futex
  const std::unique_ptr<RobustEntry> robust_;  // the kernel looks at it until the thread is gone
  std::thread thread_;
};

/// Looks at the peers from time to time. One thread.
class PeerWatch {
 public:
  using Clock = Transport::Clock;

  PeerWatch(Control& control, int rank, std::vector<int> pids);

  /// Fails with TUTTI_PEER_FAILED through `faults` if a rank died or froze.
  void look(Clock::time_point now, FaultBoard& faults);

  bool left(int rank) const;
  bool dead(int rank) const;

 private:
  struct Pulse {
    std::uint64_t beats = 0;
    Clock::time_point since{};  // when we saw this number first
  };
  std::uint32_t life(int rank) const;

  Control& control_;
  const int rank_;
  const std::vector<int> pids_;
  std::vector<Pulse> pulses_;
  Clock::time_point last_look_{};
};

}  // namespace tutti

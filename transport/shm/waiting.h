// How a rank passes the time when nothing can move: spin, then yield, then sleep.
#pragma once

#include <chrono>
#include <cstdint>

#include "transport/shm/control.h"

namespace tutti {

/// How many polls each stage lasts; see waiting.cpp for the measurements behind.
struct WaitTuning {
  std::uint32_t spins = 0;        // polls with a pause between
  std::uint32_t yields = 0;       // polls in which the core is offered to others now and then
  std::uint32_t yield_every = 1;  // polls of that stage; there is a pause between the others
};
/// `oversubscribed`: the ranks exceed the cores that they may use, so whoever spins keeps the one
/// that it waits for from running.
WaitTuning wait_tuning(bool oversubscribed);

class Waiter {
 public:
  /// `number`: how many waiters the rank has had before; their threads may sleep at one time.
  /// `membarrier`: whether all ranks can use it.
  Waiter(RankControl& self, std::uint32_t number, WaitTuning tuning, bool membarrier)
      : self_(self), bit_(1U << number % 32), tuning_(tuning), membarrier_(membarrier) {}

  /// Passes some time. Between arming (`asleep` set) and sleeping it returns once, so that the
  /// caller polls again. True: it is time to look at the clock and at the peers.
  bool pause() {
    if (polls_ < tuning_.spins) [[likely]] {
      ++polls_;
      spin();
      return false;
    }
    return pause_long();
  }

  /// Something moved.
  void reset() {
    if (polls_ == 0) return;
    polls_ = 0;
    if (armed_) disarm();
  }

 private:
  static void spin();
  bool pause_long();
  void yield();
  void arm();
  void stay_armed();
  void disarm();

  RankControl& self_;
  const std::uint32_t bit_;  // in `asleep`; of more than 32 waiters some are heard late
  const WaitTuning tuning_;
  const bool membarrier_;
  std::uint32_t polls_ = 0;
  std::uint32_t since_look_ = 0;
  bool armed_ = false;
  std::uint32_t seen_ = 0;  // the doorbell, before arming
};

}  // namespace tutti

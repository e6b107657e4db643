#include "transport/shm/life.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "transport/quiet_thread.h"

namespace tutti {

/// A robust list with one entry, the life word. The kernel walks it when the thread ends.
struct LifeThread::RobustEntry {
  robust_list_head head{};
  robust_list entry{};

  explicit RobustEntry(std::atomic<std::uint32_t>& word) {
    entry.next = &head.list;
    head.list.next = &entry;
    // The entry stays in this process's own memory; only the word is shared.
    head.futex_offset = static_cast<long>(reinterpret_cast<std::intptr_t>(&word) -
                                          reinterpret_cast<std::intptr_t>(&entry));
  }
  /// Without it a death shows only by the heartbeat.
  void enlist() { syscall(SYS_set_robust_list, &head, sizeof head); }
  void empty() { head.list.next = &head.list; }
};

LifeThread::LifeThread(ControlHeader& header, RankControl& self)
    : header_(header), self_(self), robust_(std::make_unique<RobustEntry>(self.life)) {
  thread_ = quiet_thread("the life thread", [this] { run(); });
  while (self_.life.load(std::memory_order_acquire) == kLifeUnborn) std::this_thread::yield();
}

LifeThread::~LifeThread() {
  stop_.store(1, std::memory_order_release);  // partner: run()
  wake_private(stop_);
  thread_.join();
}

void LifeThread::run() {
  robust_->enlist();
  self_.life.store(static_cast<std::uint32_t>(gettid()), std::memory_order_release);
  while (stop_.load(std::memory_order_acquire) == 0) {
    self_.alive.fetch_add(1, std::memory_order_relaxed);
    if (header_.fault.load(std::memory_order_acquire) != 0) wake(self_);
    sleep_on_private(stop_, 0, kHeartbeat);
  }
  // release: what this rank has posted before comes before its leaving; partner: PeerWatch::life()
  self_.life.store(kLifeLeft, std::memory_order_release);
  robust_->empty();
}

PeerWatch::PeerWatch(Control& control, int rank, std::vector<int> pids)
    : control_(control), rank_(rank), pids_(std::move(pids)), pulses_(pids_.size()) {}

std::uint32_t PeerWatch::life(int rank) const {
  return control_.of(rank).life.load(std::memory_order_acquire);
}

bool PeerWatch::left(int rank) const { return life(rank) == kLifeLeft; }
bool PeerWatch::dead(int rank) const { return (life(rank) & kLifeDied) != 0; }

void PeerWatch::look(Clock::time_point now, FaultBoard& faults) {
  // After a pause of our own (we computed, or were stopped) we know nothing: begin anew.
  const bool paused = now - last_look_ > 3 * kHeartbeat;
  last_look_ = now;
  for (int rank = 0; rank < static_cast<int>(pulses_.size()); ++rank) {
    if (rank == rank_ || left(rank)) continue;
    const auto index = static_cast<std::size_t>(rank);
    const auto fail = [&](const std::string& how) {
      faults.fail(TUTTI_PEER_FAILED, "rank " + std::to_string(rank) + how + " (pid " +
                                         std::to_string(pids_[index]) + ")");
    };
    if (dead(rank)) fail(" died, or ended without tutti_finish()");
    Pulse& pulse = pulses_[index];
    const std::uint64_t beats = control_.of(rank).alive.load(std::memory_order_relaxed);
    if (paused || beats != pulse.beats) {
      pulse = {beats, now};
    } else if (now - pulse.since > kFrozenAfter) {
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - pulse.since);
      fail(" froze: no sign of life for " + std::to_string(ms.count()) + " ms");
    }
  }
}

}  // namespace tutti

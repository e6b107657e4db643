// Which CPUs this thread may use, and pinning it for a while.
#pragma once

#include <sched.h>

#include <vector>

namespace tutti {

using CpuList = std::vector<int>;

/// The calling thread's affinity, ascending.
CpuList my_cpus();

/// Pins the calling thread to one CPU, best effort, and restores its affinity at the end.
class PinnedHere {
 public:
  explicit PinnedHere(int cpu);
  ~PinnedHere();
  PinnedHere(const PinnedHere&) = delete;
  PinnedHere& operator=(const PinnedHere&) = delete;

 private:
  cpu_set_t before_;
};

/// Pins the calling thread for good. Returns whether the system allowed it.
bool pin_thread(int cpu);

}  // namespace tutti

// The limit: the least time in which this machine, in the state that it is in, could move what a
// collective must move. Measured, not looked up.
//
// Whatever the algorithm, each input byte is loaded once and each output byte stored once (S is
// the size, of which a rank's block is S/n where there are blocks):
//   all_reduce                n·S loaded, n·S stored
//   reduce, reduce_scatter    n·S loaded, S stored
//   scan, exclusive_scan      n·S loaded, n·S stored
//   broadcast, all_gather     S loaded, n·S stored; in place each byte's owner keeps its own:
//                             (n-1)·S stored
//   gather, scatter           S loaded, S stored; in place (n-1)/n of them
//   all_to_all                n·S loaded, n·S stored
//   barrier                   nothing
// That traffic is timed in one address space: threads on all of the ranks' cores take a share of
// the elements each and go straight from n inputs to n outputs, without a single message; the
// better of stores into the cache and stores past it counts. The other part is latency: no rank can
// know of another's data before a cache line has crossed, which is half the line's round trip. The
// limit is the greater of the two. Below a mebibyte or so it cannot be reached: a thread here
// re-reads lines of its own cache, while ranks must fetch each other's.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "perf/cpus.h"
#include "perf/limit_kernels.h"
#include "perf/names.h"

namespace tutti {

struct LimitCase {
  const CollectiveName* collective = nullptr;
  int ranks = 1;
  std::size_t bytes = 0;
  bool in_place = false;
};

/// Measures limits. Lives in rank 0; the other ranks sleep while it works.
class LimitMeter {
 public:
  /// Threads on `cpus` (not empty). At most `most_bytes` of buffers: where the case needs more, a
  /// smaller one of the same kind is timed and scaled.
  LimitMeter(CpuList cpus, std::size_t most_bytes);
  ~LimitMeter();
  LimitMeter(const LimitMeter&) = delete;
  LimitMeter& operator=(const LimitMeter&) = delete;

  /// Seconds for the traffic alone; 0 where nothing moves.
  double traffic_s(const LimitCase& of);

 private:
  class Arena;
  struct Work;

  double best_s(const Work& work) const;
  double timed_s(const Work& work, Store store, int passes) const;
  Work lay_out(const LimitCase& of, std::size_t bytes);

  const CpuList cpus_;
  const std::size_t most_bytes_;
  std::unique_ptr<Arena> arena_;  // grows with the greatest case so far
};

/// The limit in seconds: traffic, or half a round trip of a line if that takes longer.
double limit_s(double traffic_s, int ranks, std::optional<double> line_ns);

}  // namespace tutti

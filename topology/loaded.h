// hwloc's view of this machine, owned; without its header, which only detect.cpp and bind.cpp see.
#pragma once

#include <memory>

struct hwloc_topology;
struct hwloc_bitmap_s;

namespace tutti {

struct HwlocCloser {
  void operator()(hwloc_topology* topology) const;
  void operator()(hwloc_bitmap_s* set) const;
};
using LoadedTopology = std::unique_ptr<hwloc_topology, HwlocCloser>;
using HwlocCpus = std::unique_ptr<hwloc_bitmap_s, HwlocCloser>;

/// Throws Error (TUTTI_SYSTEM).
LoadedTopology load_topology();

/// The CPUs that the calling thread may use.
HwlocCpus usable_hwloc_cpus(hwloc_topology* topology);

}  // namespace tutti

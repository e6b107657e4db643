// A small description of this machine: what a person needs to judge a figure, and a launcher to
// place ranks.
#pragma once

#include <cstddef>
#include <string>

namespace tutti {

struct Machine {
  std::string cpu_model;  // empty where the system does not say
  int packages = 0, numa_nodes = 0;
  int cores = 0, cpus = 0;                // of the machine; a CPU is a hardware thread
  int usable_cores = 0, usable_cpus = 0;  // by affinity and cpuset; a quota comes on top
  std::size_t l1d_bytes = 0, l2_bytes = 0, l3_bytes = 0;  // of each cache; 0: there is none
  int cpus_per_l3 = 0;
  std::size_t page_bytes = 0, huge_page_bytes = 0;
  std::size_t memory_bytes = 0, available_bytes = 0;
  // The kernel's choices for transparent huge pages, e.g. "madvise"; empty: not offered.
  std::string huge_pages, shared_huge_pages;
};

/// Looks at this machine as the calling thread may use it. Throws Error (TUTTI_SYSTEM) if it cannot
/// be detected at all; single facts that are unknown stay 0 or empty.
Machine detect_machine();

}  // namespace tutti

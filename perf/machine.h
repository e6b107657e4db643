// What the report says of the machine, so that a figure can be judged without it.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace tutti {

struct MachineFacts {
  std::string tutti_version, host, kernel, cpu;
  int cpus = 0, cores = 0, packages = 0, numa_nodes = 0;  // online; a CPU is a hardware thread
  std::vector<std::string> caches;                        // e.g. "L2 1024K"
  std::size_t page_bytes = 0;
  std::string huge_pages, shared_huge_pages;  // the kernel's policies
  // Processes that wanted a CPU in the last minute, before the sweep; < 0: unknown.
  double load = 0;
  std::map<std::string, std::string> environment;  // TUTTI_* variables that are set
};

/// Looks at this machine. What cannot be found out stays empty.
MachineFacts describe_machine();

}  // namespace tutti

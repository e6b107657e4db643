#include <hwloc.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <system_error>

#include "kernels/error.h"
#include "topology/loaded.h"
#include "topology/machine.h"

namespace tutti {

void HwlocCloser::operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
void HwlocCloser::operator()(hwloc_bitmap_s* set) const { hwloc_bitmap_free(set); }

LoadedTopology load_topology() {
  // hwloc 2.9 asks for ever, with a longer mask each time, where this is refused.
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) != 0 && errno != EINVAL)
    throw Error(TUTTI_SYSTEM, std::string("the system refuses sched_getaffinity(): ") +
                                  std::generic_category().message(errno));
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) throw Error(TUTTI_SYSTEM, "hwloc cannot be initialised");
  LoadedTopology topology(raw);
  if (hwloc_topology_load(raw) != 0) throw Error(TUTTI_SYSTEM, "hwloc cannot detect this machine");
  return topology;
}

HwlocCpus usable_hwloc_cpus(hwloc_topology* topology) {
  HwlocCpus set(hwloc_bitmap_alloc());
  if (hwloc_get_cpubind(topology, set.get(), HWLOC_CPUBIND_THREAD) != 0)
    hwloc_bitmap_copy(set.get(), hwloc_topology_get_allowed_cpuset(topology));
  return set;
}

namespace {

std::size_t cache_bytes(hwloc_topology_t topology, hwloc_obj_type_t type) {
  const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);
  return cache == nullptr ? 0 : cache->attr->cache.size;
}

int count(hwloc_topology_t topology, hwloc_obj_type_t type) {
  return std::max(0, hwloc_get_nbobjs_by_type(topology, type));
}

std::string info(hwloc_obj_t object, const char* name) {
  const char* value = object == nullptr ? nullptr : hwloc_obj_get_info_by_name(object, name);
  return value == nullptr ? "" : value;
}

/// The word in brackets of a kernel's setting: "always [madvise] never".
std::string chosen(const char* path) {
  std::ifstream file(path);
  for (std::string word; file >> word;)
    if (word.size() > 2 && word.front() == '[') return word.substr(1, word.size() - 2);
  return "";
}

/// A field of /proc/meminfo, in the file's own unit (KiB, or pages).
std::size_t memory_field(const std::string& name) {
  std::ifstream file("/proc/meminfo");
  std::string key;
  for (std::size_t value = 0; file >> key >> value; file.ignore(64, '\n'))
    if (key == name + ":") return value;
  return 0;
}

constexpr std::size_t kKiB = 1024;

void add_memory(Machine& machine) {
  machine.page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  machine.memory_bytes = memory_field("MemTotal") * kKiB;
  machine.available_bytes = memory_field("MemAvailable") * kKiB;
  machine.huge_page_bytes = memory_field("Hugepagesize") * kKiB;
  machine.huge_pages = chosen("/sys/kernel/mm/transparent_hugepage/enabled");
  machine.shared_huge_pages = chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
}

}  // namespace

Machine detect_machine() {
  const LoadedTopology owner = load_topology();
  hwloc_topology_t topology = owner.get();
  const HwlocCpus mine = usable_hwloc_cpus(topology);
  Machine machine;
  machine.cpu_model = info(hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0), "CPUModel");
  machine.packages = count(topology, HWLOC_OBJ_PACKAGE);
  machine.numa_nodes = count(topology, HWLOC_OBJ_NUMANODE);
  machine.cores = count(topology, HWLOC_OBJ_CORE);
  machine.cpus = count(topology, HWLOC_OBJ_PU);
  machine.usable_cpus = hwloc_bitmap_weight(mine.get());
  for (hwloc_obj_t core = nullptr;
       (core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core)) != nullptr;)
    machine.usable_cores += hwloc_bitmap_intersects(core->cpuset, mine.get());
  machine.l1d_bytes = cache_bytes(topology, HWLOC_OBJ_L1CACHE);
  machine.l2_bytes = cache_bytes(topology, HWLOC_OBJ_L2CACHE);
  machine.l3_bytes = cache_bytes(topology, HWLOC_OBJ_L3CACHE);
  if (const hwloc_obj_t l3 = hwloc_get_obj_by_type(topology, HWLOC_OBJ_L3CACHE, 0))
    machine.cpus_per_l3 = hwloc_bitmap_weight(l3->cpuset);
  add_memory(machine);
  return machine;
}

}  // namespace tutti

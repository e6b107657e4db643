#include "topology/bind.h"

#include <hwloc.h>

#include "kernels/error.h"
#include "topology/loaded.h"

namespace tutti {
namespace {

std::vector<int> cpus_of(hwloc_const_cpuset_t set) {
  std::vector<int> cpus;
  for (int cpu = hwloc_bitmap_first(set); cpu >= 0; cpu = hwloc_bitmap_next(set, cpu))
    cpus.push_back(cpu);
  return cpus;
}

/// The places of one kind, in the order of the machine, each cut to the CPUs that may be used.
std::vector<Binding> places(hwloc_topology_t topology, hwloc_obj_type_t type, const char* name) {
  const HwlocCpus mine = usable_hwloc_cpus(topology), both(hwloc_bitmap_alloc());
  std::vector<Binding> found;
  for (hwloc_obj_t object = nullptr;
       (object = hwloc_get_next_obj_by_type(topology, type, object)) != nullptr;) {
    hwloc_bitmap_and(both.get(), object->cpuset, mine.get());
    const std::vector<int> cpus = cpus_of(both.get());
    if (cpus.empty()) continue;
    const std::string plural = cpus.size() > 1 ? " (CPUs " : " (CPU ";
    found.push_back({.cpus = cpus,
                     .text = name + (" " + std::to_string(object->logical_index)) + plural +
                             name_cpus(cpus) + ")"});
  }
  if (found.empty())
    throw Error(TUTTI_SYSTEM, "hwloc finds no " + std::string(name) + " that may be used");
  return found;
}

}  // namespace

std::string name_cpus(const std::vector<int>& cpus) {
  std::string text;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t end = i + 1;  // [i, end) is a run without gaps
    while (end < cpus.size() && cpus[end] == cpus[end - 1] + 1) ++end;
    text += (text.empty() ? "" : ", ") + std::to_string(cpus[i]);
    if (end - i > 1) text += "-" + std::to_string(cpus[end - 1]);
    i = end;
  }
  return text;
}

std::vector<Binding> plan_bindings(BindTo to, int ranks) {
  const auto count = static_cast<std::size_t>(ranks);
  if (to == BindTo::kNone) return std::vector<Binding>(count, {.cpus = {}, .text = "not bound"});
  const LoadedTopology topology = load_topology();
  const bool cores = to == BindTo::kCore;
  const std::vector<Binding> found = cores
                                         ? places(topology.get(), HWLOC_OBJ_CORE, "core")
                                         : places(topology.get(), HWLOC_OBJ_NUMANODE, "NUMA node");
  std::vector<Binding> bindings;
  for (std::size_t rank = 0; rank < count; ++rank)
    bindings.push_back(found[cores ? rank % found.size() : rank * found.size() / count]);
  return bindings;
}

}  // namespace tutti

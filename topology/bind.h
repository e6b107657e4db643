// Places for ranks: which CPUs each of them gets.
#pragma once

#include <string>
#include <vector>

namespace tutti {

enum class BindTo { kCore, kNuma, kNone };

/// A rank's CPUs, by their number in the operating system.
struct Binding {
  std::vector<int> cpus;  // empty: not bound
  std::string text;       // "core 3 (CPUs 3, 67)", "NUMA node 1 (CPUs 8-15)", "not bound"
};

/// The places of `ranks` ranks among the CPUs that the calling thread may use. kCore: rank r gets
/// the r-th core, all its hardware threads; where ranks are more than cores, they begin again.
/// kNuma: ranks in blocks of equal size, in order, one block a NUMA node. Throws Error
/// (TUTTI_SYSTEM).
std::vector<Binding> plan_bindings(BindTo to, int ranks);

/// "0-3, 8".
std::string name_cpus(const std::vector<int>& cpus);

}  // namespace tutti

// Much of this is what topology/ detects too. The sweep does not ask it: it sees of Tutti what any
// program sees, the public header, which has no call for what only a report wants to know.
#include "perf/machine.h"

#include <fmt/core.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <cstdlib>

#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>

#include "perf/cpus.h"
#include "tutti/tutti.h"

namespace tutti {
namespace {

std::string first_line(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

std::string processor_name() {
  std::ifstream stream("/proc/cpuinfo");
  for (std::string line; std::getline(stream, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return {};
}

/// The caches of one CPU, as the kernel describes them.
std::vector<std::string> caches_of(int cpu) {
  std::set<std::string> caches;
  for (int index = 0; index < 8; ++index) {
    const std::filesystem::path at =
        fmt::format("/sys/devices/system/cpu/cpu{}/cache/index{}", cpu, index);
    const std::string level = first_line(at / "level");
    const std::string type = first_line(at / "type");
    if (level.empty() || type == "Instruction") continue;
    caches.insert(fmt::format("L{} {}, CPUs {}", level, first_line(at / "size"),
                              first_line(at / "shared_cpu_list")));
  }
  return {caches.begin(), caches.end()};
}

std::filesystem::path topology_of(int cpu) {
  return fmt::format("/sys/devices/system/cpu/cpu{}/topology", cpu);
}

/// CPUs that share a core or a package have the same numbers there.
void count_cores(MachineFacts& facts) {
  std::set<std::string> cores;
  std::set<std::string> packages;
  facts.cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  const auto configured = static_cast<int>(sysconf(_SC_NPROCESSORS_CONF));
  for (int cpu = 0; cpu < configured; ++cpu) {
    const std::string package = first_line(topology_of(cpu) / "physical_package_id");
    if (package.empty()) continue;  // offline
    packages.insert(package);
    cores.insert(package + " " + first_line(topology_of(cpu) / "core_id"));
  }
  facts.cores = static_cast<int>(cores.size());
  facts.packages = static_cast<int>(packages.size());
}

int count_numa_nodes() {
  int nodes = 0;
  while (std::filesystem::exists(fmt::format("/sys/devices/system/node/node{}", nodes))) ++nodes;
  return nodes;
}

/// The bracketed word of "always [madvise] never".
std::string chosen_policy(const std::filesystem::path& file) {
  const std::string line = first_line(file);
  const auto open = line.find('[');
  const auto close = line.find(']');
  if (open == std::string::npos || close == std::string::npos) return {};
  return line.substr(open + 1, close - open - 1);
}

std::map<std::string, std::string> tutti_variables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (text.starts_with("TUTTI_") && equals != std::string_view::npos)
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

std::string library_version() {
  std::int32_t version = 0;
  tutti_version(&version);
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace

MachineFacts describe_machine() {
  const CpuList cpus = my_cpus();
  MachineFacts facts;
  facts.tutti_version = library_version();
  utsname system{};
  if (uname(&system) == 0) {
    facts.host = system.nodename;
    facts.kernel = fmt::format("{} {}", system.sysname, system.release);
  }
  facts.cpu = processor_name();
  count_cores(facts);
  facts.numa_nodes = count_numa_nodes();
  if (!cpus.empty()) facts.caches = caches_of(cpus.front());
  facts.page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  if (getloadavg(&facts.load, 1) != 1) facts.load = -1;
  facts.huge_pages = chosen_policy("/sys/kernel/mm/transparent_hugepage/enabled");
  facts.shared_huge_pages = chosen_policy("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
  facts.environment = tutti_variables();
  return facts;
}

}  // namespace tutti

// tutti env: what Tutti reads from the environment, what it will use, and what this machine lets it
// do.
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "collectives/select.h"
#include "kernels/error.h"
#include "tools/subcommand.h"
#include "topology/machine.h"
#include "transport/bootstrap/environment.h"
#include "transport/bootstrap/usable_cpus.h"
#include "transport/resources.h"
#include "transport/shm/cross_memory.h"
#include "transport/shm/layout.h"

namespace tutti {
namespace {

constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
constexpr std::size_t kExampleRanks = 64;
constexpr std::uint64_t kMarker = 0x7475747469;  // in memory that another process reads

/// "64 KiB", "3.8 MiB", "23.5 GiB".
std::string in_units(std::size_t bytes) {
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < std::size(kUnits); ++unit) amount /= 1024;
  const double shown = std::round(amount * 10) / 10;
  return fmt::format("{:g} {}", shown, kUnits[unit]);
}

void print_row(const std::string& name, const std::string& text) {
  fmt::print("  {:<28}{}\n", name, text);
}

void print_variables() {
  fmt::print("Variables\n");
  for (const Variable& variable : environment_table()) {
    const std::string value =
        variable.value ? *variable.value + "  (set)" : variable.default_value + "  (default)";
    print_row(variable.name, value);
    print_row("", variable.meaning);
  }
  std::fflush(stdout);  // resolve_world() may write to stderr
  try {
    const Environment environment = read_environment();
    parse_forced(environment.algorithm.value_or(""));
    const World world = resolve_world(TUTTI_CONFIG_INIT, environment);
    print_row("so this process would be",
              fmt::format("rank {} of {}, by {}", world.rank, world.size, world.launcher));
  } catch (const Error& error) {
    print_row("so no start would work", error.what());
  }
}

void print_memory() {
  fmt::print("\nShared memory\n");
  print_row("per pair of ranks", "at most " + in_units(2 * sizeof(Edge)));
  print_row("per rank", "at most " + in_units(kRankBytes) + ", and what tutti_alloc() gives out");
  const std::size_t pairs = kExampleRanks * (kExampleRanks - 1) / 2;
  print_row(fmt::format("{} ranks", kExampleRanks),
            "at most " + in_units(pairs * 2 * sizeof(Edge) + kExampleRanks * kRankBytes));
}

void print_machine(const Machine& machine) {
  fmt::print("\nMachine\n");
  print_row("processor", machine.cpu_model.empty() ? "unknown" : machine.cpu_model);
  print_row("packages, NUMA nodes", fmt::format("{}, {}", machine.packages, machine.numa_nodes));
  print_row("cores, CPUs", fmt::format("{}, {}", machine.cores, machine.cpus));
  print_row("caches", fmt::format("L1d {}, L2 {}, L3 {} for {} CPUs", in_units(machine.l1d_bytes),
                                  in_units(machine.l2_bytes), in_units(machine.l3_bytes),
                                  machine.cpus_per_l3));
  print_row("memory", fmt::format("{}, of which {} available", in_units(machine.memory_bytes),
                                  in_units(machine.available_bytes)));
}

void print_waiting(const Machine& machine) {
  const auto quota = cpu_quota();
  const int cpus = usable_cpus();
  fmt::print("\nWaiting\n");
  print_row("CPUs that ranks may use",
            fmt::format("{} (affinity: {}; control groups: {})", cpus, machine.usable_cpus,
                        quota ? fmt::format("{:g}", *quota) : "no quota"));
  print_row(fmt::format("up to {} ranks", cpus), "spin for a moment, then yield, then sleep");
  print_row("more ranks", "do not spin");
}

/// Whether a child can read this process's memory, as ranks would each other's.
bool can_read_across() {
  const volatile std::uint64_t marker = kMarker;
  permit_cross_memory();
  const pid_t reader = fork();
  if (reader == 0) {
    std::uint64_t seen = 0;
    const auto address = reinterpret_cast<std::uintptr_t>(&marker);
    const CrossRead result =
        cross_read(getppid(), address, reinterpret_cast<std::byte*>(&seen), sizeof seen);
    _exit(result == CrossRead::kDone && seen == kMarker ? 0 : 1);
  }
  int status = 1;
  return reader > 0 && waitpid(reader, &status, 0) == reader && status == 0;
}

std::string access_text() {
  CrossMemory wish{};
  try {
    wish = read_environment().cross_memory;
  } catch (const Error&) {  // print_variables() has said so
  }
  if (wish == CrossMemory::kNever)
    return "never read (TUTTI_CROSS_MEMORY): long messages are staged";
  if (!can_read_across()) return "cannot be read here: long messages are always staged";
  return std::string("can be read (process_vm_readv): ") + (wish == CrossMemory::kAlways
                                                                ? "done (TUTTI_CROSS_MEMORY)"
                                                                : "done where ranks share cores");
}

void print_access(const Machine& machine) {
  fmt::print("\nLarge messages\n");
  print_row("other processes' memory", access_text());
  const std::string pages = machine.shared_huge_pages;
  const bool huge =
      pages == "always" || pages == "within_size" || pages == "advise" || pages == "force";
  print_row("pages of tutti_alloc()",
            huge ? in_units(machine.huge_page_bytes) + " where they fit"
                 : in_units(machine.page_bytes) + "; larger ones if root writes advise to\n" +
                       std::string(30, ' ') + "/sys/kernel/mm/transparent_hugepage/shmem_enabled");
  print_row("transparent huge pages",
            fmt::format("private {}, shared {}",
                        machine.huge_pages.empty() ? "not offered" : machine.huge_pages,
                        pages.empty() ? "not offered" : pages));
}

class Env : public Subcommand {
 public:
  void declare(Options& /*options*/) override {}

  int run() override {
    const Machine machine = detect_machine();
    print_variables();
    print_memory();
    print_machine(machine);
    print_waiting(machine);
    std::fflush(stdout);  // before can_read_across() forks
    print_access(machine);
    return 0;
  }
};

}  // namespace

std::unique_ptr<Subcommand> make_env() { return std::make_unique<Env>(); }

}  // namespace tutti

// Who a rank is, by config and environment; and how many CPUs it has.
#include <sched.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernels/error.h"
#include "tests/captured_stderr.h"
#include "tests/catch.h"
#include "topology/bind.h"
#include "topology/machine.h"
#include "transport/bootstrap/environment.h"
#include "transport/bootstrap/usable_cpus.h"
#include "transport/resources.h"

using namespace tutti;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

using Variables = std::map<std::string, std::string>;

/// Sets variables, and none of Tutti's others, while it lives.
class Given {
 public:
  explicit Given(const Variables& variables) {
    for (const Variable& row : environment_table()) unsetenv(row.name.c_str());
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Given() {
    for (const Variable& row : environment_table()) unsetenv(row.name.c_str());
  }
};

World world_of(const Variables& variables, const tutti_config& config = TUTTI_CONFIG_INIT) {
  const Given given(variables);
  return resolve_world(config, read_environment());
}

/// The text of the error with `status` that resolving gives.
std::string refusal(const Variables& variables, const tutti_config& config = TUTTI_CONFIG_INIT,
                    tutti_status status = TUTTI_INVALID) {
  try {
    world_of(variables, config);
  } catch (const Error& error) {
    CHECK(error.status() == status);
    return error.what();
  }
  FAIL("no error");
  return {};
}

const Variables kTorchrun = {{"RANK", "1"},
                             {"WORLD_SIZE", "4"},
                             {"LOCAL_WORLD_SIZE", "4"},
                             {"MASTER_ADDR", "localhost"},
                             {"MASTER_PORT", "29500"},
                             {"TORCHELASTIC_RUN_ID", "job"}};

Variables with(Variables variables, const Variables& more) {
  for (const auto& [name, value] : more) variables[name] = value;
  return variables;
}

}  // namespace

TEST_CASE("a program that nobody launched is a world of one") {
  const World world = world_of({});
  CHECK(world.rank == 0);
  CHECK(world.size == 1);
  CHECK(world.launcher == "alone");
  CHECK(world.start_timeout.count() == 60'000);
  CHECK(world.call_timeout.count() == 1'800'000);
}

TEST_CASE("TUTTI_RANK, TUTTI_SIZE and TUTTI_ADDR make a world") {
  const World world = world_of({{"TUTTI_RANK", "2"},
                                {"TUTTI_SIZE", "3"},
                                {"TUTTI_ADDR", "here"},
                                {"TUTTI_START_TIMEOUT_MS", "5"},
                                {"TUTTI_TIMEOUT_MS", "7"}});
  CHECK(world.rank == 2);
  CHECK(world.size == 3);
  CHECK(world.address == "here");
  CHECK(world.launcher == "TUTTI_*");
  CHECK(world.start_timeout.count() == 5);
  CHECK(world.call_timeout.count() == 7);
}

TEST_CASE("torchrun's variables make a world, another one after each restart") {
  const World world = world_of(kTorchrun);
  CHECK(world.rank == 1);
  CHECK(world.size == 4);
  CHECK(world.launcher == "torchrun");
  CHECK_THAT(world.address, Contains("localhost:29500") && Contains("job"));
  CHECK(world_of(with(kTorchrun, {{"TORCHELASTIC_RESTART_COUNT", "1"}})).address != world.address);
}

TEST_CASE("the innermost launcher wins, unless TUTTI_BOOTSTRAP says otherwise") {
  const Variables both =
      with(kTorchrun, {{"TUTTI_RANK", "0"}, {"TUTTI_SIZE", "2"}, {"TUTTI_ADDR", "inner"}});
  CHECK(world_of(both).launcher == "TUTTI_*");
  CHECK(world_of(with(both, {{"TUTTI_BOOTSTRAP", "torchrun"}})).size == 4);
  CHECK(world_of(with(both, {{"TUTTI_BOOTSTRAP", "alone"}})).size == 1);
  CHECK_THAT(refusal(with(kTorchrun, {{"TUTTI_BOOTSTRAP", "tutti"}})),
             Contains("TUTTI_RANK and TUTTI_SIZE are not set"));
  CHECK_THAT(refusal({{"TUTTI_BOOTSTRAP", "torchrun"}}), Contains("MASTER_ADDR"));
  CHECK_THAT(refusal({{"TUTTI_BOOTSTRAP", "mpi"}}), Contains("TUTTI_BOOTSTRAP is 'mpi'"));
}

TEST_CASE("variables that merely look like torchrun's are left alone") {
  CHECK(world_of({{"RANK", "captain"}}).launcher == "alone");
  CHECK(world_of({{"RANK", "1"}, {"WORLD_SIZE", "4"}}).launcher == "alone");
  CHECK_THAT(refusal(with(kTorchrun, {{"RANK", "captain"}})), Contains("RANK is 'captain'"));
}

TEST_CASE("a process alone under a launcher that Tutti does not know is warned") {
  const auto said = [](const Variables& variables) {
    const test::CapturedStderr captured;
    CHECK(world_of(variables).size == 1);
    return captured.text();
  };
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    CHECK_THAT(said({{name, "2"}}),
               Contains(std::string(name) + " is 2, but this process is alone"));
    CHECK(said({{name, "1"}}) == "");
    CHECK(said({{name, "many"}}) == "");
    CHECK(said({{name, "2"}, {"TUTTI_BOOTSTRAP", "alone"}}) == "");
    CHECK(said({{name, "2"}, {"TUTTI_LOG", "off"}}) == "");
    CHECK(said({{name, "2"}, {"TUTTI_RANK", "0"}, {"TUTTI_SIZE", "1"}}) == "");
  }
}

TEST_CASE("torchrun on several hosts is said to be unsupported") {
  CHECK_THAT(
      refusal(with(kTorchrun, {{"LOCAL_WORLD_SIZE", "2"}}), TUTTI_CONFIG_INIT, TUTTI_UNSUPPORTED),
      Contains("2 of 4 ranks on this host") && Contains("not offered yet"));
}

TEST_CASE("TUTTI_SIZE without TUTTI_RANK names both, and the other way round") {
  CHECK_THAT(refusal({{"TUTTI_SIZE", "4"}}),
             Contains("TUTTI_SIZE is 4 but TUTTI_RANK is not set: "));
  CHECK_THAT(refusal({{"TUTTI_RANK", "4"}}),
             Contains("TUTTI_RANK is 4 but TUTTI_SIZE is not set: "));
}

TEST_CASE("a rank that is not below the size is refused") {
  CHECK_THAT(refusal({{"TUTTI_RANK", "4"}, {"TUTTI_SIZE", "4"}, {"TUTTI_ADDR", "x"}}),
             Contains("TUTTI_RANK is 4, but a world of 4 (TUTTI_SIZE) has ranks 0 to 3"));
}

TEST_CASE("several ranks need an address") {
  CHECK_THAT(refusal({{"TUTTI_RANK", "1"}, {"TUTTI_SIZE", "4"}}), Contains("set TUTTI_ADDR"));
}

TEST_CASE("10,000 ranks on one host are refused") {
  CHECK_THAT(refusal({{"TUTTI_RANK", "1"}, {"TUTTI_SIZE", "10000"}, {"TUTTI_ADDR", "x"}}),
             Contains("TUTTI_SIZE is 10000: at most 1024"));
}

TEST_CASE("a variable with a wrong value is named with it") {
  const std::vector<std::pair<std::string, std::string>> wrong{{"TUTTI_RANK", "-1"},
                                                               {"TUTTI_SIZE", "0"},
                                                               {"TUTTI_SIZE", "four"},
                                                               {"TUTTI_RANK", "1.5"},
                                                               {"TUTTI_RANK", "99999999999"},
                                                               {"TUTTI_LOG", "loud"},
                                                               {"TUTTI_CROSS_MEMORY", "maybe"},
                                                               {"TUTTI_TIMEOUT_MS", "0"},
                                                               {"TUTTI_START_TIMEOUT_MS", "soon"}};
  for (const auto& [name, value] : wrong)
    CHECK_THAT(refusal({{name, value}}), Contains(name + " is '" + value + "': "));
}

TEST_CASE("a variable that is set to nothing counts as not set") {
  CHECK(world_of({{"TUTTI_RANK", ""}, {"TUTTI_SIZE", ""}, {"TUTTI_LOG", ""}}).launcher == "alone");
}

TEST_CASE("config comes before the environment, field by field") {
  const Variables launched = {{"TUTTI_RANK", "1"}, {"TUTTI_SIZE", "4"}, {"TUTTI_ADDR", "outer"}};
  tutti_config config = TUTTI_CONFIG_INIT;
  config.start_timeout_ms = 9;
  CHECK(world_of(launched, config).rank == 1);
  CHECK(world_of(launched, config).start_timeout.count() == 9);
  config.address = "inner";
  CHECK(world_of(launched, config).address == "inner");
  config.rank = 0;
  config.size = 2;
  CHECK(world_of(launched, config).launcher == "config");
  CHECK(world_of({{"TUTTI_SIZE", "4"}}, config).size == 2);  // contradictions outside do not matter
}

TEST_CASE("a config that contradicts itself is refused") {
  tutti_config config = TUTTI_CONFIG_INIT;
  config.rank = 2;
  CHECK_THAT(refusal({}, config), Contains("config.rank is 2 but config.size is not set"));
  config.size = 2;
  config.address = "x";
  CHECK_THAT(refusal({}, config), Contains("config.rank is 2, but a world of 2 (config.size)"));
  config.rank = -2;
  CHECK_THAT(refusal({}, config), Contains("config.rank is -2"));
  config.rank = 0;
  config.size = 0;
  CHECK_THAT(refusal({}, config), Contains("config.size is 0"));
  config.size = 2;
  config.start_timeout_ms = 0;
  CHECK_THAT(refusal({}, config), Contains("config.start_timeout_ms is 0"));
}

TEST_CASE("every variable has a meaning, a default, and its present value") {
  const Given given(Variables{{"TUTTI_ALGO", "all_reduce:ring"}});
  std::set<std::string> names;
  for (const Variable& row : environment_table()) {
    CHECK(names.insert(row.name).second);
    CHECK(!row.meaning.empty());
    CHECK(!row.default_value.empty());
    CHECK(row.value.value_or("") == (row.name == "TUTTI_ALGO" ? "all_reduce:ring" : ""));
  }
}

// ---- CPUs --------------------------------------------------------------------------------------

namespace {

/// A made-up /proc and /sys, removed at the end.
class FakeSystem {
 public:
  explicit FakeSystem(const std::map<std::string, std::string>& files)
      : root_(fs::temp_directory_path() / ("tutti-fake-" + std::to_string(getpid()))) {
    for (const auto& [path, text] : files) {
      fs::create_directories((root_ / path).parent_path());
      std::ofstream(root_ / path) << text;
    }
  }
  ~FakeSystem() { fs::remove_all(root_); }

  std::optional<double> quota() const { return cpu_quota(root_); }
  std::optional<double> left() const { return memory_left(root_); }
  std::optional<double> available() const { return memory_available(root_); }

 private:
  const fs::path root_;
};

}  // namespace

TEST_CASE("what the system has available is read in KiB") {
  const auto available = [](const std::string& last) {
    return FakeSystem({{"proc/self/cgroup", "0::/\n"},
                       {"proc/meminfo", "MemTotal:  99 kB\nHugePages_Total:  0\n" + last}})
        .available();
  };
  CHECK(available("MemAvailable:  3 kB\n") == 3072.0);
  CHECK(!available(""));
}

TEST_CASE("the quota of control groups, version 2, is the least on the way up") {
  CHECK(FakeSystem({{"proc/self/cgroup", "0::/a/b\n"},
                    {"sys/fs/cgroup/a/b/cpu.max", "400000 100000\n"},
                    {"sys/fs/cgroup/a/cpu.max", "150000 100000\n"}})
            .quota() == 1.5);
  CHECK(FakeSystem({{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "max 100000\n"}})
            .quota() == std::nullopt);
}

TEST_CASE("the quota of control groups, version 1, is found, in a container too") {
  CHECK(FakeSystem({{"proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/job\n0::/\n"},
                    {"sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "50000\n"},
                    {"sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n"}})
            .quota() == 0.5);
  // The path is the host's; the container's own group is at the mount.
  CHECK(FakeSystem({{"proc/self/cgroup", "3:cpu:/docker/0123\n"},
                    {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n"},
                    {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}})
            .quota() == 3);
  CHECK(FakeSystem({{"proc/self/cgroup", "3:cpu:/\n"},
                    {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
                    {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}})
            .quota() == std::nullopt);
}

TEST_CASE("the memory that control groups leave is the least on the way up") {
  CHECK(FakeSystem({{"proc/self/cgroup", "0::/a/b\n"},
                    {"sys/fs/cgroup/a/b/memory.max", "max\n"},
                    {"sys/fs/cgroup/a/b/memory.current", "50\n"},
                    {"sys/fs/cgroup/a/memory.max", "1000\n"},
                    {"sys/fs/cgroup/a/memory.current", "700\n"},
                    {"sys/fs/cgroup/a/memory.stat",
                     "anon 500\ninactive_file 100\nactive_file 20\nshmem 80\n"}})
            .left() == 420);
  CHECK(FakeSystem({{"proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/job\n"},
                    {"sys/fs/cgroup/memory/x/memory.limit_in_bytes", "900\n"},
                    {"sys/fs/cgroup/memory/x/memory.usage_in_bytes", "1000\n"},
                    {"sys/fs/cgroup/memory/x/memory.stat", "total_inactive_file 30\n"}})
            .left() == 0);
}

TEST_CASE("a system without control groups has no quota and no limit") {
  CHECK(!FakeSystem({}).quota());
  CHECK(!FakeSystem({}).left());
}

TEST_CASE("usable CPUs follow the thread's affinity") {
  const CpuMask before = allowed_cpus();
  CHECK(count_cpus(before) >= 1);
  cpu_set_t old{}, one{};
  REQUIRE(sched_getaffinity(0, sizeof old, &old) == 0);
  int first = 0;
  while (!CPU_ISSET(static_cast<std::size_t>(first), &old)) ++first;
  CPU_SET(static_cast<std::size_t>(first), &one);
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(usable_cpus() == 1);
  CHECK(plan_bindings(BindTo::kCore, 2)[1].cpus == std::vector<int>{first});
  REQUIRE(sched_setaffinity(0, sizeof old, &old) == 0);
  CHECK(quota_cpus() >= 1);  // never none
}

TEST_CASE("ranks are placed on cores one after the other, and begin again") {
  const Machine machine = detect_machine();
  REQUIRE(machine.usable_cores >= 1);
  CHECK(machine.usable_cpus == count_cpus(allowed_cpus()));
  const int ranks = machine.usable_cores + 1;
  const auto places = plan_bindings(BindTo::kCore, ranks);
  std::set<int> seen;
  for (int rank = 0; rank < machine.usable_cores; ++rank)
    for (const int cpu : places[static_cast<std::size_t>(rank)].cpus)
      CHECK(seen.insert(cpu).second);
  CHECK(places.back().cpus == places.front().cpus);
  CHECK_THAT(places[0].text, Contains("core ") && Contains("(CPU"));
  CHECK(plan_bindings(BindTo::kNuma, 2)[0].text.starts_with("NUMA node "));
  CHECK(plan_bindings(BindTo::kNone, 1)[0].cpus.empty());
}

TEST_CASE("lists of CPUs are named in runs") {
  CHECK(name_cpus({0, 1, 2, 3, 8, 10, 11}) == "0-3, 8, 10-11");
  CHECK(name_cpus({5}) == "5");
}

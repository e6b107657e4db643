#include "transport/bootstrap/environment.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "kernels/error.h"

namespace tutti {
namespace {

struct Row {
  const char *name, *meaning, *default_value;
};

constexpr std::array kRows = {
    Row{"TUTTI_RANK", "this process's rank", "0 in a world of one"},
    Row{"TUTTI_SIZE", "ranks in the world", "1"},
    Row{"TUTTI_ADDR", "the world's name on this host, any text: ranks with the same one meet",
        "none"},
    Row{"TUTTI_BOOTSTRAP", "where rank and size come from: tutti (TUTTI_*), torchrun, alone",
        "the first that is there"},
    Row{"TUTTI_ALGO", "algorithms to use, as in all_reduce:ring,broadcast:binomial",
        "the fastest by prediction"},
    Row{"TUTTI_LOG", "what to say on stderr: off, warn, info, debug", "warn"},
    Row{"TUTTI_START_TIMEOUT_MS", "how long to wait for the other ranks at the start", "60000"},
    Row{"TUTTI_TIMEOUT_MS", "deadline of a call without one of its own", "1800000"},
    Row{"TUTTI_CROSS_MEMORY", "long messages: 1: read the other process's memory; 0: never do",
        "1 where ranks share cores, else 0"},
    Row{"TUTTI_PROGRESS_THREAD", "1: a thread of Tutti's own moves calls that nobody waits for",
        "0: they move in this rank's calls"},
    Row{"TUTTI_REPRODUCIBLE", "1: every reduction in the canonical tree, whatever the algorithm",
        "0"},
    Row{"RANK", "torchrun's rank", "none"},
    Row{"WORLD_SIZE", "torchrun's number of ranks", "none"},
    Row{"LOCAL_WORLD_SIZE", "torchrun's number of ranks on this host", "WORLD_SIZE"},
    Row{"MASTER_ADDR", "torchrun's meeting place: part of the world's name", "none"},
    Row{"MASTER_PORT", "torchrun's meeting place: part of the world's name", "none"},
    Row{"TORCHELASTIC_RUN_ID", "torchrun's job: part of the world's name", "none"},
    Row{"TORCHELASTIC_RESTART_COUNT", "torchrun's attempt: part of the world's name", "none"},
    Row{"OMPI_COMM_WORLD_SIZE", "Open MPI's ranks: a process alone in its world warns", "none"},
    Row{"PMI_SIZE", "MPICH's or Intel MPI's, the same", "none"},
    Row{"SLURM_STEP_NUM_TASKS", "srun's, the same", "none"},
};

/// The one getenv() of the project. Set to nothing counts as not set.
std::optional<std::string> get(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

[[noreturn]] void refuse(const char* name, const std::string& value, const std::string& why) {
  throw Error(TUTTI_INVALID, std::string(name) + " is '" + value + "': " + why);
}

std::optional<int> get_integer(const char* name, int least) {
  const auto value = get(name);
  if (!value) return std::nullopt;
  int number = 0;
  const char* end = value->data() + value->size();
  const auto [rest, error] = std::from_chars(value->data(), end, number);
  if (error == std::errc::result_out_of_range)
    refuse(name, *value, "at most " + std::to_string(std::numeric_limits<int>::max()));
  if (error != std::errc() || rest != end) refuse(name, *value, "not a whole number");
  if (number < least) refuse(name, *value, "at least " + std::to_string(least));
  return number;
}

template <std::size_t N>
std::optional<std::string> get_choice(const char* name, const std::array<const char*, N>& choices) {
  auto value = get(name);
  if (!value) return std::nullopt;
  std::string known;
  for (const char* choice : choices) {
    if (*value == choice) return value;
    known += (known.empty() ? "" : ", ") + std::string(choice);
  }
  refuse(name, *value, "not one of " + known);
}

/// The name of torchrun's world. A restarted job must not meet the one before it.
std::optional<std::string> torch_address() {
  const auto host = get("MASTER_ADDR"), port = get("MASTER_PORT");
  if (!host || !port) return std::nullopt;
  return "torchrun " + *host + ":" + *port + " " + get("TORCHELASTIC_RUN_ID").value_or("") + " " +
         get("TORCHELASTIC_RESTART_COUNT").value_or("0");
}

void read_torchrun(Environment& environment) {
  auto address = torch_address();
  const bool complete = address && get("RANK") && get("WORLD_SIZE");
  if (!complete && environment.bootstrap != "torchrun") return;
  environment.torch_rank = get_integer("RANK", 0);
  environment.torch_size = get_integer("WORLD_SIZE", 1);
  environment.torch_local_size = get_integer("LOCAL_WORLD_SIZE", 1);
  environment.torch_address = std::move(address);
}

/// Any text is allowed: these are not ours to refuse.
std::optional<std::string> foreign_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    const auto value = get(name);
    if (value && std::atoi(value->c_str()) > 1) return std::string(name) + " is " + *value;
  }
  const auto torch_size = get("WORLD_SIZE");
  if (torch_size && std::atoi(torch_size->c_str()) > 1 && get("MASTER_ADDR") && !get("RANK"))
    return "WORLD_SIZE is " + *torch_size + " and RANK is not set";
  return std::nullopt;
}

}  // namespace

Environment read_environment() {
  Environment environment;
  environment.rank = get_integer("TUTTI_RANK", 0);
  environment.size = get_integer("TUTTI_SIZE", 1);
  environment.address = get("TUTTI_ADDR");
  environment.bootstrap = get_choice("TUTTI_BOOTSTRAP", std::array{"tutti", "torchrun", "alone"});
  environment.algorithm = get("TUTTI_ALGO");
  environment.log = get_choice("TUTTI_LOG", std::array{"off", "warn", "info", "debug"});
  environment.start_timeout_ms = get_integer("TUTTI_START_TIMEOUT_MS", 1);
  environment.call_timeout_ms = get_integer("TUTTI_TIMEOUT_MS", 1);
  if (const auto choice = get_choice("TUTTI_CROSS_MEMORY", std::array{"0", "1"}))
    environment.cross_memory = *choice == "1" ? CrossMemory::kAlways : CrossMemory::kNever;
  environment.progress_thread =
      get_choice("TUTTI_PROGRESS_THREAD", std::array{"0", "1"}).value_or("0") == "1";
  environment.reproducible = get_choice("TUTTI_REPRODUCIBLE", std::array{"0", "1"}) == "1";
  read_torchrun(environment);
  environment.foreign = foreign_launcher();
  return environment;
}

std::vector<Variable> environment_table() {
  std::vector<Variable> table;
  table.reserve(kRows.size());
  for (const Row& row : kRows)
    table.push_back({row.name, row.meaning, row.default_value, get(row.name)});
  return table;
}

}  // namespace tutti

// The environment, read in one place. `tutti env` prints this table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "transport/bootstrap/world.h"
#include "tutti/tutti.h"

namespace tutti {

/// All variables that Tutti reads, as they were at the time of read_environment(). A variable that
/// is set to nothing counts as not set.
struct Environment {
  std::optional<int> rank, size;         // TUTTI_RANK, TUTTI_SIZE
  std::optional<std::string> address;    // TUTTI_ADDR
  std::optional<std::string> bootstrap;  // TUTTI_BOOTSTRAP: forces a launcher by name
  std::optional<std::string> algorithm;  // TUTTI_ALGO: "all_reduce:ring,broadcast:binomial"
  std::optional<std::string> log;        // TUTTI_LOG: "warn" (default), "info", "debug", "off"
  std::optional<int> start_timeout_ms;   // TUTTI_START_TIMEOUT_MS
  std::optional<int> call_timeout_ms;    // TUTTI_TIMEOUT_MS
  bool reproducible = false;             // TUTTI_REPRODUCIBLE: "0", "1"
  // TUTTI_CROSS_MEMORY: "0" never, "1" always.
  CrossMemory cross_memory = CrossMemory::kWhereCoresAreShared;
  bool progress_thread = false;  // TUTTI_PROGRESS_THREAD: "1"
  // torchrun's: RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, and MASTER_ADDR:MASTER_PORT with
  // TORCHELASTIC_RUN_ID and TORCHELASTIC_RESTART_COUNT. Others use these names too, so they are
  // read only if the first two and the address are all there, or TUTTI_BOOTSTRAP is torchrun.
  std::optional<int> torch_rank, torch_size, torch_local_size;
  std::optional<std::string> torch_address;

  /// A launcher that started several ranks and that Tutti cannot ask for their places yet:
  /// "SLURM_STEP_NUM_TASKS is 4".
  std::optional<std::string> foreign;

  /// Whether TUTTI_LOG asks for what was decided, and why.
  bool tells() const { return log == "info" || log == "debug"; }
};

/// Reads and checks every variable. Throws TUTTI_INVALID naming variable and value.
Environment read_environment();

/// One row of `tutti env`.
struct Variable {
  std::string name, meaning, default_value;
  std::optional<std::string> value;
};
std::vector<Variable> environment_table();

/// Combines config and environment; what config leaves open comes from the innermost
/// launcher (TUTTI_* before torchrun) or the one that TUTTI_BOOTSTRAP forces. Says on stderr which
/// one it was where TUTTI_LOG is info. Throws TUTTI_INVALID on contradictions: TUTTI_SIZE without
/// TUTTI_RANK, rank ≥ size, a world of several ranks without an address, …; TUTTI_UNSUPPORTED for
/// several hosts.
World resolve_world(const tutti_config& config, const Environment& environment);

}  // namespace tutti

// What a sweep measures: the options, checked, and their form on the way to the ranks and into the
// report.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "perf/names.h"
#include "perf/statistics.h"

namespace tutti {

/// Which of two forms: of memory (registered or not), of call (in place or not).
enum class Forms { kNo, kYes, kBoth };

/// The forms as flags, e.g. {false, true} for both.
std::vector<bool> listed(Forms forms);

struct SweepSettings {
  std::string collective = "all_reduce";  // or all
  std::vector<int> ranks;  // worlds, one after the other; empty: as many as cores, then twice that
  int iters = 0;           // calls per turn; 0: as many as the budget suggests
  std::size_t min_bytes = 8;
  std::size_t max_bytes = std::size_t{64} << 20;
  std::size_t step_factor = 2;
  std::size_t step_bytes = 0;  // not 0: sizes grow by that much, not by the factor
  int warmup = 1;
  bool check = true;
  std::vector<std::string> ops{"sum"};
  std::vector<std::string> dtypes{"f32"};
  int root = 0;
  int threads = 1;  // ranks per process
  int average = static_cast<int>(Average::kMax);
  Forms registered = Forms::kBoth;
  Forms in_place = Forms::kBoth;
  std::vector<std::string> algorithms{"all"};
  double budget_s = 150;
  std::uint64_t seed = 0;
  double timeout_s = 0;  // 0: none
  std::string bind_to;   // as given; empty: core, none when oversubscribed
  bool report_bindings = false;
  bool overlap = false;
  bool reproducible = false;  // reproducible calls too, beside the chosen algorithm
};

/// Throws UsageError, naming option and value, for names that do not exist and values that do not
/// go together.
void check_settings(const SweepSettings& settings);

/// The same for what depends on the number of ranks.
void check_world(const SweepSettings& settings, int ranks);

/// One for each collective, in the table's order: these settings, if they name one.
std::vector<SweepSettings> parts_of(const SweepSettings& settings);

/// The sizes in bytes, ascending. A barrier has one: 0.
std::vector<std::size_t> sweep_sizes(const SweepSettings& settings);

/// Elements of a call's block at a size: whole ones, and at least one of each rank unless the size
/// is 0.
std::size_t block_count(const CollectiveName& collective, std::size_t size,
                        std::size_t element_bytes, int ranks);

/// Bytes of the longest array of a rank.
std::size_t largest_array(const SweepSettings& settings, int ranks);

/// One type with one op (nullptr where the collective takes none).
struct Arithmetic {
  const DtypeName* dtype;
  const OpName* op;
};

/// The combinations that exist, types first; `all` is expanded.
std::vector<Arithmetic> sweep_arithmetics(const SweepSettings& settings);

void to_json(nlohmann::json& json, const SweepSettings& settings);
void from_json(const nlohmann::json& json, SweepSettings& settings);

}  // namespace tutti

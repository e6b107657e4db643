// `tutti perf`: options to settings, ranks, report.
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <system_error>

#include "perf/launch.h"
#include "perf/rank.h"
#include "perf/report.h"
#include "tools/inquiry.h"
#include "tools/launcher.h"
#include "tools/subcommand.h"

namespace tutti {
namespace {

Forms forms_of(const std::string& word) {
  if (word == "both") return Forms::kBoth;
  return word == "1" || word == "yes" ? Forms::kYes : Forms::kNo;
}

/// What the arrays of all ranks take.
double memory_needed(const SweepSettings& settings, int ranks) {
  const std::size_t kinds = listed(settings.registered).size();
  const auto largest = static_cast<double>(largest_array(settings, ranks));
  return largest * 2 * static_cast<double>(kinds) * ranks;
}

void check_memory(const SweepSettings& settings, int ranks) {
  const double needed = memory_needed(settings, ranks);
  std::optional<double> there = memory_to_be_had();
  if (there) *there *= 1 - kLimitShare;
  if (!there || needed < *there) return;
  throw UsageError(
      fmt::format("--maxbytes: {} ranks with arrays of {} bytes need {:.1f} GiB, and {:.1f} GiB "
                  "are free; take a "
                  "smaller -e, fewer --ranks, or one kind of memory (-R 0 or 1)",
                  ranks, settings.max_bytes, needed / (1 << 30), *there / (1 << 30)));
}

/// Names that serve some of the rank counts are skipped aloud at the others.
void check_algorithms(const SweepSettings& settings) {
  if (settings.algorithms[0] == "all" || settings.algorithms[0] == "auto") return;
  for (const std::string& name : settings.algorithms) {
    const std::string reason = why_never_served(settings.collective, name, settings.ranks);
    if (!reason.empty()) throw UsageError(fmt::format("--algo: '{}': {}", name, reason));
  }
}

/// What a rank of the sweep is told: the settings, and where its results go.
struct WorkerOrder {
  SweepSettings settings;
  int fd = -1;
};

/// A rank's process. The others stop with rank 0, which says why.
int run_worker(const WorkerOrder& order) {
  PipeSink sink(order.fd);
  try {
    join_and_sweep(order.settings, sink);
  } catch (const PeerStopped&) {
    return kExitFailed;
  } catch (const UsageError& error) {
    sink.refuse(error.what());  // every rank sees the same: the parent says it once
    return kExitUsage;
  }
  return 0;
}

class PerfCommand : public Subcommand {
 public:
  void declare(Options& options) override;
  void take_program(std::vector<std::string>& arguments) override;
  int run() override;

 private:
  SweepSettings read_settings() const;
  void sweep_worlds(const SweepSettings& settings, Report& report) const;
  int join(const SweepSettings& settings) const;

  const Options* options_ = nullptr;
  std::optional<WorkerOrder> order_;
  SweepSettings settings_;
  std::optional<std::uint64_t> seed_;
  int check_ = 1;
  std::string registered_ = "both", in_place_ = "both";
  ReportTargets targets_;
};

void PerfCommand::declare(Options& options) {
  constexpr std::int64_t kMany = 1'000'000'000;
  options_ = &options;
  options.text("collective", settings_.collective);
  options.integers("ranks", settings_.ranks, 1, kMostRanks);
  options.integer("iters", settings_.iters, 1, kMany);
  options.bytes("minbytes", settings_.min_bytes);
  options.bytes("maxbytes", settings_.max_bytes);
  options.integer("stepfactor", settings_.step_factor, 2, kMany);
  options.bytes("stepbytes", settings_.step_bytes);
  options.integer("warmup_iters", settings_.warmup, 0, kMany);
  options.integer("check", check_, 0, 1);
  options.list("op", settings_.ops);
  options.list("datatype", settings_.dtypes);
  options.integer("root", settings_.root, 0, kMostRanks - 1);
  options.integer("nthreads", settings_.threads, 1, kMostRanks);
  options.integer("average", settings_.average, 0, 3);
  options.choice("local_register", registered_, {"0", "1", "both"});
  options.choice("in-place", in_place_, {"no", "yes", "both"});
  options.list("algo", settings_.algorithms);
  options.real("budget", settings_.budget_s, 0.1, kMostSeconds);
  options.integer("seed", seed_, 0, std::numeric_limits<std::int64_t>::max());
  options.real("timeout", settings_.timeout_s, 0.001, kMostSeconds);
  options.choice("bind-to", settings_.bind_to, {"core", "numa", "none"});
  options.flag("report-bindings", settings_.report_bindings);
  options.flag("overlap", settings_.overlap);
  options.flag("reproducible", settings_.reproducible);
  options.text("json", targets_.json);
  options.text("csv", targets_.csv);
}

/// `tutti perf --worker FD SETTINGS` is a rank of a sweep, started by launch_ranks().
void PerfCommand::take_program(std::vector<std::string>& arguments) {
  if (arguments.size() != 3 || arguments[0] != kWorkerFlag) return;
  order_ = WorkerOrder{.settings = nlohmann::json::parse(arguments[2]).get<SweepSettings>(),
                       .fd = std::stoi(arguments[1])};
  arguments.clear();
}

SweepSettings PerfCommand::read_settings() const {
  options_->exclude("stepfactor", "stepbytes");
  if (options_->given("stepbytes") && settings_.step_bytes == 0)
    throw UsageError("--stepbytes: 0 leads nowhere");
  if (targets_.json == "-" && targets_.csv == "-")
    throw UsageError("--json and --csv cannot both go to standard output");
  std::error_code none;
  const bool same =
      !targets_.json.empty() && (targets_.json == targets_.csv ||
                                 std::filesystem::equivalent(targets_.json, targets_.csv, none));
  if (same) throw UsageError(fmt::format("--json and --csv are the same file, '{}'", targets_.csv));
  SweepSettings settings = settings_;
  settings.check = check_ == 1;
  settings.registered = forms_of(registered_);
  settings.in_place = forms_of(in_place_);
  settings.seed = seed_ ? *seed_ : std::random_device{}();
  check_settings(settings);
  return settings;
}

/// One world after the other; each may spend a share of what is left that goes with its ranks.
void PerfCommand::sweep_worlds(const SweepSettings& settings, Report& report) const {
  constexpr double kAlmostAll = 0.97;  // the rest starts and ends the ranks
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t world = 0; world < settings.ranks.size(); ++world) {
    double open = 0;
    for (std::size_t later = world; later < settings.ranks.size(); ++later)
      open += settings.ranks[later];
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    SweepSettings part = settings;
    part.ranks = {settings.ranks[world]};
    part.budget_s =
        kAlmostAll * std::max(0.0, settings.budget_s - passed.count()) * part.ranks[0] / open;
    launch_ranks(part, report);
  }
  const std::chrono::duration<double> all = std::chrono::steady_clock::now() - start;
  if (all.count() > 1.1 * settings.budget_s)
    report.note(
        fmt::format("the sweep took {:.0f} s, more than its budget of {:g} s: every cell is "
                    "measured once at least, with -n and -w calls",
                    all.count(), settings.budget_s));
}

/// As a rank of a world that somebody else has started: rank 0 reports.
int PerfCommand::join(const SweepSettings& settings) const {
  if (!settings.ranks.empty())
    throw UsageError("--ranks: the launcher has already decided how many ranks there are");
  Report report(settings, targets_);
  try {
    join_and_sweep(settings, report);
  } catch (const PeerStopped&) {
    return kExitFailed;
  }
  report.finish();
  return report.good() ? 0 : kExitFailed;
}

int PerfCommand::run() {
  if (order_) return run_worker(*order_);
  SweepSettings settings = read_settings();
  if (is_launched()) return join(settings);
  if (settings.ranks.empty()) settings.ranks = default_ranks(settings.threads);
  check_algorithms(settings);
  for (const int ranks : settings.ranks) {
    check_world(settings, ranks);
    check_memory(settings, ranks);
  }
  Report report(settings, targets_);
  report.open();
  sweep_worlds(settings, report);
  report.finish();
  return report.good() ? 0 : kExitFailed;
}

}  // namespace

std::unique_ptr<Subcommand> make_perf() { return std::make_unique<PerfCommand>(); }

}  // namespace tutti

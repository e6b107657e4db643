// tutti verify: proves the plans of every algorithm.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "collectives/verify/sweep.h"
#include "kernels/error.h"
#include "tools/json_text.h"
#include "tools/output_file.h"
#include "tools/subcommand.h"
#include "transport/bootstrap/usable_cpus.h"

namespace tutti {
namespace {

constexpr int kShortRanks = 33;
constexpr int kLongRanks = 2048;

class Verify : public Subcommand {
 public:
  void declare(Options& options) override;
  int run() override;

 private:
  Sweep sweep() const;

  std::string collective_, json_;
  std::vector<int> ranks_;
  std::vector<std::string> algorithms_ = {"all"};
  std::optional<int> root_;
  std::optional<std::uint64_t> seed_;
  double timeout_s_ = 0;
  bool long_ = false;
};

void Verify::declare(Options& options) {
  options.text("collective", collective_);
  options.integers("ranks", ranks_, 1, static_cast<int>(kMaxVerifiedRanks));
  options.list("algo", algorithms_);
  options.integer("root", root_, 0, static_cast<int>(kMaxVerifiedRanks) - 1);
  options.flag("long", long_);
  options.integer("seed", seed_, 0, INT64_MAX);
  options.real("timeout", timeout_s_, 0.001, kMostSeconds);
  options.text("json", json_);
}

std::vector<int> first_sizes(int most) {
  std::vector<int> sizes;
  for (int n = 1; n <= most; ++n) sizes.push_back(n);
  return sizes;
}

std::vector<Collective> collectives_named(const std::string& name) {
  std::vector<Collective> all;
  std::string known;
  for (int c = 0; c < kCollectives; ++c) {
    const auto collective = static_cast<Collective>(c);
    if (name == name_of(collective)) return {collective};
    all.push_back(collective);
    known += std::string(c == 0 ? "" : ", ") + std::string(name_of(collective));
  }
  if (!name.empty())
    throw UsageError(fmt::format("COLLECTIVE: unknown value '{}'; known: {}", name, known));
  return all;
}

Sweep Verify::sweep() const {
  Sweep s;
  s.collectives = collectives_named(collective_);
  s.sampled = long_;
  s.sizes = ranks_;
  if (s.sizes.empty()) s.sizes = long_ ? special_sizes(kLongRanks) : first_sizes(kShortRanks);
  if (std::ranges::find(algorithms_, "auto") != algorithms_.end())
    throw UsageError("--algo auto: verify chooses nothing; name algorithms, or say all");
  check_alone("--algo", algorithms_, {"all"});
  if (algorithms_[0] != "all") s.algorithms = algorithms_;
  const int most = *std::ranges::max_element(s.sizes);
  if (root_ && *root_ >= most)
    throw UsageError(fmt::format("--root {}: there are {} ranks at most", *root_, most));
  s.root = root_;
  s.seed = seed_ ? *seed_ : std::random_device{}();
  s.threads = usable_cpus();
  s.timeout_s = timeout_s_;
  try {
    check_sweep(s);
  } catch (const Error& error) {
    throw UsageError(fmt::format("--algo: {}", error.what()));
  }
  return s;
}

/// Progress on a terminal's last line, gone when it goes out of scope.
class ProgressLine {
 public:
  ~ProgressLine() {
    if (shown_ >= 0) fmt::print(stderr, "\r\033[K");
  }
  void operator()(std::size_t done, std::size_t all) {
    const auto percent = static_cast<int>(100 * done / all);
    if (!terminal_ || percent == shown_) return;
    shown_ = percent;
    fmt::print(stderr, "\r{:3} % of {} jobs", percent, all);
    std::fflush(stderr);
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  int shown_ = -1;
};

void print(const SweepRow& row) {
  const std::string labels = labels_of(row);
  fmt::print("{:<16}{:<20}{:>8}{:>13}{:>9.1f}  {}{}\n", name_of(row.collective), row.algorithm,
             row.cases, row.messages, row.seconds,
             row.failed == 0 ? "proven" : fmt::format("WRONG in {}", row.failed),
             labels.empty() ? "" : "; " + labels);
}

nlohmann::json json_of(const Sweep& sweep, const std::vector<SweepRow>& rows) {
  nlohmann::json json = {{"seed", sweep.seed},
                         {"ranks", sweep.sizes},
                         {"long", sweep.sampled},
                         {"results", nlohmann::json::array()}};
  for (const SweepRow& row : rows) {
    json["results"].push_back({{"collective", name_of(row.collective)},
                               {"algorithm", row.algorithm},
                               {"cases", row.cases},
                               {"messages", row.messages},
                               {"seconds", row.seconds},
                               {"labels", labels_of(row)},
                               {"failed", row.failed},
                               {"fault", row.first_fault}});
  }
  return json;
}

std::vector<SweepRow> run_with_progress(const Sweep& sweep) {
  ProgressLine line;
  return run_sweep(sweep, [&](std::size_t done, std::size_t all) { line(done, all); });
}

int Verify::run() {
  const Sweep what = sweep();
  const bool quiet = json_ == "-";
  std::optional<OutputFile> file;
  if (!json_.empty()) file.emplace("--json", json_);
  if (!quiet) {
    const auto [least, most] = std::ranges::minmax_element(what.sizes);
    fmt::print("seed {}; {} from {} to {} ranks; T = 1, 2, {}, {}; {}\n\n", what.seed,
               what.sizes.size() == 1 ? "1 size" : fmt::format("{} sizes", what.sizes.size()),
               *least, *most, what.window + 1, 2 * what.window + 1,
               what.sampled ? "one seeded case a size"
                            : fmt::format("every root (above {} ranks 4 of them), awkward counts, "
                                          "in place, out of place and mixed",
                                          kEveryRootUpTo));
    std::fflush(stdout);
  }
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<SweepRow> rows = run_with_progress(what);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;

  SweepRow sum;
  if (!quiet) {
    fmt::print("{:<16}{:<20}{:>8}{:>13}{:>9}  {}\n", "collective", "algorithm", "cases", "messages",
               "seconds", "verdict");
  }
  for (const SweepRow& row : rows) {
    if (!quiet) print(row);
    if (row.failed > 0) fmt::print(stderr, "tutti verify: {}\n", row.first_fault);
    sum.cases += row.cases;
    sum.messages += row.messages;
    sum.failed += row.failed;
  }
  if (!quiet) {
    fmt::print("\n{} cases, {} messages, {:.1f} s on {} threads: {}\n", sum.cases, sum.messages,
               seconds.count(), what.threads,
               sum.failed == 0 ? "all proven" : fmt::format("{} WRONG", sum.failed));
  }
  if (file) file->write(json_text(json_of(what, rows), 2) + "\n");
  return sum.failed == 0 && sum.cases > 0 ? 0 : 1;
}

}  // namespace

std::unique_ptr<Subcommand> make_verify() { return std::make_unique<Verify>(); }

}  // namespace tutti

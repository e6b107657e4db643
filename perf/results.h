// What the ranks tell the report: plain values, sent as one JSON line each from rank 0's process to
// the one that prints.
#pragma once

#include <array>
#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tutti {

/// What `--overlap` measures.
struct OverlapResult {
  double compute_us = 0, communication_us = 0, both_us = 0;
  double hidden = 0;  // share of the shorter of the two that the other one hides
};

/// What takes the place of an algorithm's name in the cells of reproducible calls.
inline constexpr const char* kReproducible = "reproducible";

/// The figures of one cell; docs/perf-json.md has each field's meaning.
struct CellResult {
  std::string collective, algorithm;
  bool chosen = false;
  int ranks = 0;
  std::size_t bytes = 0, count = 0;
  std::string dtype, op;
  bool in_place = false, registered = false;
  double time_us = 0, p50_us = 0;
  std::optional<double> predicted_us, p99_us;
  double min_us = 0;
  std::vector<double> samples_us;
  double algbw_GBps = 0, busbw_GBps = 0;
  std::optional<double> limit_us, limit_share;
  std::size_t wrong = 0;
  std::array<std::optional<double>, 2> line_ns;
  std::optional<OverlapResult> overlap;
};

void to_json(nlohmann::json& json, const OverlapResult& overlap);
void from_json(const nlohmann::json& json, OverlapResult& overlap);
void to_json(nlohmann::json& json, const CellResult& result);
void from_json(const nlohmann::json& json, CellResult& result);

/// A cell that was not measured, and why.
struct SkippedCell {
  std::string collective, algorithm;
  int ranks = 0;
  std::size_t bytes = 0;
  std::string dtype, op;
  bool in_place = false, registered = false;
  std::string reason;
};

void to_json(nlohmann::json& json, const SkippedCell& cell);
void from_json(const nlohmann::json& json, SkippedCell& cell);

/// Where a rank runs.
struct RankPlace {
  int pid = 0;
  std::vector<int> cpus;
};

void to_json(nlohmann::json& json, const RankPlace& place);
void from_json(const nlohmann::json& json, RankPlace& place);

/// The start of a world's sweep of one collective.
struct WorldFacts {
  std::string collective;
  int ranks = 0;
  std::vector<RankPlace> places;  // by rank
  std::optional<double> line_ns;
};

void to_json(nlohmann::json& json, const WorldFacts& world);
void from_json(const nlohmann::json& json, WorldFacts& world);

/// Takes what happens, in order: a world, then its groups of cells of one size, type and op.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  virtual void world(const WorldFacts& facts) = 0;
  virtual void cells(const std::vector<CellResult>& results,
                     const std::vector<SkippedCell>& skipped) = 0;
  /// Something worth saying once, such as what was reduced to fit the budget.
  virtual void note(const std::string& text) = 0;
};

/// Writes JSON lines to a descriptor, which it closes at the end.
class PipeSink : public ResultSink {
 public:
  explicit PipeSink(int fd) : fd_(fd) {}
  ~PipeSink() override;
  PipeSink(const PipeSink&) = delete;
  PipeSink& operator=(const PipeSink&) = delete;
  void world(const WorldFacts& facts) override;
  void cells(const std::vector<CellResult>& results,
             const std::vector<SkippedCell>& skipped) override;
  void note(const std::string& text) override;

  /// Says that what was asked for cannot be measured.
  void refuse(const std::string& text);

 private:
  void write_line(const nlohmann::json& json) const;
  const int fd_;
};

/// Reads lines from `fd` until its end and hands them to `sink`. Returns what was refused, if
/// anything.
std::optional<std::string> forward_lines(int fd, ResultSink& sink);

}  // namespace tutti

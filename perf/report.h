// The report of a sweep: a table as the results come, and files when all are there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "perf/machine.h"
#include "perf/results.h"
#include "perf/settings.h"
#include "tools/output_file.h"

namespace tutti {

struct ReportTargets {
  std::string json, csv;  // paths; empty: none; "-": standard output, instead of the table
};

class Report : public ResultSink {
 public:
  Report(SweepSettings settings, ReportTargets targets);

  /// Opens the files now; else the first world does. Throws for paths that cannot be written.
  void open();

  void world(const WorldFacts& facts) override;
  void cells(const std::vector<CellResult>& results,
             const std::vector<SkippedCell>& skipped) override;
  void note(const std::string& text) override;

  /// Prints the totals and writes the files. Nothing, when no world ever came.
  void finish();

  /// No element was wrong, and if any world came there was something to measure.
  bool good() const;

 private:
  void print(const std::string& text) const;
  void end_world();
  nlohmann::json machine_json() const;
  nlohmann::json document() const;

  const SweepSettings settings_;
  const ReportTargets targets_;
  const MachineFacts machine_;
  std::unique_ptr<OutputFile> json_, csv_;
  bool opened_ = false;
  std::vector<WorldFacts> worlds_;
  std::vector<CellResult> results_;
  std::vector<SkippedCell> skipped_;
  std::vector<std::string> notes_;
  std::size_t world_begins_ = 0;  // in results_
};

/// All results as CSV with a head line.
std::string csv_text(const std::vector<CellResult>& results);

}  // namespace tutti

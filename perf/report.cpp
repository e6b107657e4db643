#include "perf/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "perf/table.h"
#include "tools/json_text.h"

namespace tutti {

Report::Report(SweepSettings settings, ReportTargets targets)
    : settings_(std::move(settings)), targets_(std::move(targets)), machine_(describe_machine()) {}

void Report::open() {
  if (std::exchange(opened_, true)) return;
  if (!targets_.json.empty()) json_ = std::make_unique<OutputFile>("--json", targets_.json);
  if (!targets_.csv.empty()) csv_ = std::make_unique<OutputFile>("--csv", targets_.csv);
}

void Report::print(const std::string& text) const {
  if (targets_.json == "-" || targets_.csv == "-") return;
  fmt::print("{}", text);
  std::fflush(stdout);
}

void Report::world(const WorldFacts& facts) {
  open();
  if (worlds_.empty())
    print(table_preamble(machine_, settings_));
  else
    end_world();
  worlds_.push_back(facts);
  print(table_heading(facts, machine_.host));
}

void Report::end_world() {
  const auto begin = results_.begin() + static_cast<std::ptrdiff_t>(world_begins_);
  print(algorithm_matrix({begin, results_.end()}));
  world_begins_ = results_.size();
}

void Report::cells(const std::vector<CellResult>& results,
                   const std::vector<SkippedCell>& skipped) {
  results_.insert(results_.end(), results.begin(), results.end());
  skipped_.insert(skipped_.end(), skipped.begin(), skipped.end());
  print(table_rows(results, settings_) + table_overlaps(results) + reproducible_cost(results) +
        table_skipped(skipped));
}

void Report::note(const std::string& text) { notes_.push_back(text); }

bool Report::good() const {
  if (!worlds_.empty() && results_.empty() && skipped_.empty()) return false;
  return std::ranges::all_of(results_, [](const CellResult& r) { return r.wrong == 0; });
}

nlohmann::json Report::machine_json() const {
  return {
      {"tutti_version", machine_.tutti_version},
      {"host", machine_.host},
      {"kernel", machine_.kernel},
      {"cpu", machine_.cpu},
      {"cpus", machine_.cpus},
      {"cores", machine_.cores},
      {"packages", machine_.packages},
      {"numa_nodes", machine_.numa_nodes},
      {"caches", machine_.caches},
      {"page_bytes", machine_.page_bytes},
      {"huge_pages", machine_.huge_pages},
      {"shared_huge_pages", machine_.shared_huge_pages},
      {"load", machine_.load},
      {"environment", machine_.environment},
      {"worlds", worlds_},
  };
}

nlohmann::json Report::document() const {
  nlohmann::json settings = settings_;
  settings["notes"] = notes_;
  settings["skipped"] = skipped_;
  return {{"machine", machine_json()}, {"settings", settings}, {"results", results_}};
}

void Report::finish() {
  if (worlds_.empty()) return;
  end_world();
  if (results_.empty()) note("nothing was measured");
  print(table_footer(results_, notes_));
  if (csv_) csv_->write(csv_text(results_));
  if (json_) json_->write(json_text(document(), 1) + "\n");
}

std::string csv_text(const std::vector<CellResult>& results) {
  const auto optional = [](const std::optional<double>& value) {
    return value ? fmt::format("{}", *value) : std::string();
  };
  std::string text =
      "collective,algorithm,chosen,ranks,bytes,count,dtype,op,in_place,registered,time_us,"
      "predicted_us,p50_us,p99_us,min_us,algbw_GBps,busbw_GBps,limit_us,limit_share,wrong,"
      "line_before_ns,line_after_ns\n";
  for (const CellResult& r : results)
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
                        r.collective, r.algorithm, r.chosen, r.ranks, r.bytes, r.count, r.dtype,
                        r.op, r.in_place, r.registered, r.time_us, optional(r.predicted_us),
                        r.p50_us, optional(r.p99_us), r.min_us, r.algbw_GBps, r.busbw_GBps,
                        optional(r.limit_us), optional(r.limit_share), r.wrong,
                        optional(r.line_ns[0]), optional(r.line_ns[1]));
  return text;
}

}  // namespace tutti

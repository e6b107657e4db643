// The cells of one size, type and op: every algorithm, both kinds of memory, in place and not. They
// are measured interleaved, turn by turn in shuffled order, so that whatever the machine does to
// one of them it does to all.
#pragma once

#include <string>
#include <vector>

#include "perf/budget.h"
#include "perf/caller.h"
#include "perf/elements.h"
#include "perf/rank.h"

namespace tutti {

/// What the elements of a group's arrays are.
struct GroupElements {
  std::vector<std::byte> input;  // one period
  ElementResults results;
};

struct GroupCase {
  CallCase call;
  Arithmetic arithmetic;
  const GroupElements* elements = nullptr;
  std::size_t bytes = 0;    // of a vector, or a block where the collective has none
  std::uint64_t index = 0;  // of the group in the sweep: part of the shuffle's seed
};

class Group {
 public:
  Group(RankContext& context, const GroupCase& of);

  /// Measures within about `share_s` seconds and tells the sink. Collective.
  void run(double share_s);

 private:
  struct Cell {
    std::string algorithm;
    std::optional<double> predicted_s;
    bool chosen = false, registered = false, in_place = false;
    bool reproducible = false;  // by whatever algorithm Tutti then chooses
    std::string skipped;        // why, if it was
    double call_s = 0;
    CellPlan plan;
    std::vector<double> turns_s, samples_s;  // rank 0 only
    std::vector<OverlapTimes> overlaps;
    bool checked_at_end = false;
    double wrong = 0;  // summed over ranks
  };
  /// Null where this rank has none.
  struct Arrays {
    std::span<std::byte> send, recv;
  };

  void list_cells();
  void add_cells(Cell cell);
  void list_named(const std::string& name, const std::vector<std::string>& candidates);
  void fill_inputs();
  bool measure(double share_s);
  void measure_limits();
  void first_calls();
  void first_call(Cell& cell);
  void plan_cells(double share_s);
  void take_rounds();
  void take_turn(Cell& cell, int round);
  void take_samples(Cell& cell, int round);
  void measure_overlaps();
  void check_at_end();
  void spoil_output(const Cell& cell);
  void count_wrong(Cell& cell);
  std::size_t wrong_here(const Cell& cell) const;
  std::size_t early_releases(const Cell& cell);
  bool out_of_time();
  bool out_of_share();
  std::size_t time_samples(Cell& cell, std::size_t samples);
  void report();
  static OverlapResult overlap_of(const Cell& cell);
  CellResult result_of(const Cell& cell) const;
  SkippedCell skipped_of(const Cell& cell) const;

  Arrays arrays(const Cell& cell) const;
  /// Whether its calls leave everything to Tutti.
  bool is_automatic(const Cell& cell) const;
  tutti_options options_of(const Cell& cell) const;
  double time_here(const Cell& cell, int calls);
  double combined(double mine);

  RankContext& context_;
  const SweepSettings& settings_;
  Board& board_;
  const GroupCase of_;
  std::vector<Cell> cells_;
  double deadline_s_ = 0;         // after which no further round begins
  double cell_share_s_ = 0;       // what a cell may spend on its figures
  double traffic_s_[2] = {0, 0};  // [in place], rank 0 only
  std::optional<double> line_ns_[2];
};

}  // namespace tutti

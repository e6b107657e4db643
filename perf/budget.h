// Fitting a sweep into a number of seconds.
//
// Every group of cells (one size, one type, one op) has a weight; it may spend its weight's share
// of what is left. A small group that stops early, because more samples would add nothing, leaves
// its rest to the later, larger ones; a group that overruns makes the later ones sample less.
#pragma once

#include <cstddef>
#include <vector>

namespace tutti {

/// The weight of a group: small sizes cost their fixed minimum, large ones what they move.
double group_weight(std::size_t bytes);

class Budget {
 public:
  /// Seconds in all, and the groups' weights in the order in which they will run.
  Budget(double seconds, std::vector<double> weights);

  /// Seconds that the next group may take, `elapsed_s` after the start. Not negative.
  double next_share(double elapsed_s);

  double seconds() const { return seconds_; }

 private:
  const double seconds_;
  std::vector<double> weights_;
  std::size_t next_ = 0;
};

/// How often one cell is measured.
struct CellPlan {
  int rounds = 1;   // turns of back-to-back calls
  int calls = 1;    // per turn
  int samples = 0;  // calls timed alone, over all rounds; 0: the turns are single calls already
  bool reduced = false;  // the budget, not the need for samples, set the numbers
};

/// The plan for a cell whose call takes about `call_s`, within `share_s` seconds. `fixed_calls`:
/// the user's calls per turn, 0 for none.
CellPlan plan_cell(double call_s, double share_s, int fixed_calls);

}  // namespace tutti

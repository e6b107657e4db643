#include "perf/group.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "perf/elements.h"
#include "perf/line_probe.h"
#include "perf/relax.h"
#include "perf/statistics.h"

namespace tutti {

Group::Group(RankContext& context, const GroupCase& of)
    : context_(context), settings_(*context.settings), board_(*context.board), of_(of) {
  list_cells();
}

Group::Arrays Group::arrays(const Cell& cell) const {
  const BufferPair& pair = context_.buffers[cell.registered ? 1 : 0];
  const CollectiveName& collective = *of_.call.collective;
  const std::size_t block = of_.call.count * tutti_dtype_size(of_.call.dtype);
  const auto bytes_in = [&](Holds holds) {
    const bool is_root = context_.rank == of_.call.root;
    return block * static_cast<std::size_t>(blocks_in(holds, context_.ranks, is_root));
  };
  const std::size_t sent = bytes_in(collective.input), received = bytes_in(collective.output);
  if (!cell.in_place) return {{pair.input.get(), sent}, {pair.output.get(), received}};
  // One of the two may be a vector: then the other is its block with this rank's number.
  const std::size_t own = block * static_cast<std::size_t>(context_.rank);
  std::byte* const all = pair.output.get();
  return {{all + (sent < received ? own : 0), sent}, {all + (received < sent ? own : 0), received}};
}

bool Group::is_automatic(const Cell& cell) const {
  return settings_.algorithms[0] == "auto" && !cell.reproducible;
}

tutti_options Group::options_of(const Cell& cell) const {
  tutti_options options = TUTTI_OPTIONS_INIT;
  if (!is_automatic(cell) && !cell.reproducible) options.algorithm = cell.algorithm.c_str();
  options.reproducible = cell.reproducible ? 1 : 0;
  return options;
}

double Group::time_here(const Cell& cell, int calls) {
  const tutti_options options = options_of(cell);
  const Arrays at = arrays(cell);
  return time_calls(of_.call, at.send.data(), at.recv.data(), context_.comm,
                    is_automatic(cell) ? nullptr : &options, calls);
}

/// The ranks' times of one turn, as one. Collective; the same on every rank.
double Group::combined(double mine) {
  return combine_ranks(board_.gather(mine), static_cast<Average>(settings_.average));
}

void Group::fill_inputs() {
  for (BufferPair& pair : context_.buffers)
    if (pair.input) fill_elements({pair.input.get(), of_.bytes}, of_.elements->input);
}

/// Leaves in the output what the call must replace: its own input in place, junk otherwise.
void Group::spoil_output(const Cell& cell) {
  constexpr std::byte kJunk{0xa5};
  const Arrays at = arrays(cell);
  std::ranges::fill(at.recv, kJunk);
  if (cell.in_place) fill_elements(at.send, of_.elements->input);
}

std::size_t Group::wrong_here(const Cell& cell) const {
  return of_.elements->results.count_wrong(arrays(cell).recv, of_.call.count);
}

/// A barrier has no elements: wrong is each rank that it let go before another had entered. The
/// ranks come late on purpose, one after the other.
std::size_t Group::early_releases(const Cell& cell) {
  constexpr auto kLateness = std::chrono::microseconds(50);
  board_.meet();
  const auto enter_at = std::chrono::steady_clock::now() + kLateness * context_.rank;
  while (std::chrono::steady_clock::now() < enter_at) relax_core();
  const auto mine = board_.entered(context_.rank).fetch_add(1, std::memory_order_acq_rel) + 1;
  time_here(cell, 1);
  std::size_t early = 0;
  for (int rank = 0; rank < context_.ranks; ++rank)
    early += board_.entered(rank).load(std::memory_order_acquire) < mine ? 1U : 0U;
  return early;
}

void Group::count_wrong(Cell& cell) {
  if (!settings_.check) return;
  const bool data = of_.call.collective->moves_data();
  const std::size_t wrong = data ? wrong_here(cell) : early_releases(cell);
  const std::vector<double> by_rank = board_.gather(static_cast<double>(wrong));
  for (const double here : by_rank) cell.wrong += here;
}

/// The first call is checked, is the first of the warm-up, and tells about how long a call takes.
void Group::first_call(Cell& cell) {
  constexpr double kShortS = 0.001;  // so short that the first call, which makes plans, misleads
  constexpr int kMore = 8;
  spoil_output(cell);
  board_.meet();
  cell.call_s = combined(time_here(cell, 1));
  count_wrong(cell);
  if (settings_.warmup > 1) time_here(cell, settings_.warmup - 1);
  if (cell.call_s > kShortS) return;
  board_.meet();
  cell.call_s = combined(time_here(cell, kMore));
}

void Group::first_calls() {
  for (Cell& cell : cells_) {
    if (out_of_time())
      cell.skipped =
          fmt::format("its share of the budget was used up after {:.0f} s", settings_.budget_s);
    else
      first_call(cell);
  }
}

bool Group::out_of_time() { return board_.agree(context_.elapsed_s() > settings_.budget_s); }
bool Group::out_of_share() { return board_.agree(context_.elapsed_s() > deadline_s_); }

void Group::plan_cells(double share_s) {
  const auto open = static_cast<double>(
      std::ranges::count_if(cells_, [](const Cell& cell) { return cell.skipped.empty(); }));
  cell_share_s_ = share_s / std::max(open, 1.0);
  for (Cell& cell : cells_)
    if (cell.skipped.empty())
      cell.plan = board_.agree(plan_cell(cell.call_s, cell_share_s_, settings_.iters));
}

void Group::take_turn(Cell& cell, int round) {
  const bool last = round + 1 == cell.plan.rounds;
  const bool check = last && !cell.in_place;
  if (check) spoil_output(cell);
  board_.meet();
  const double turn_s = combined(time_here(cell, cell.plan.calls));
  cell.turns_s.push_back(turn_s);
  if (cell.plan.calls == 1) cell.samples_s.push_back(turn_s);
  if (!check) return;
  count_wrong(cell);
  cell.checked_at_end = true;
}

/// Times calls alone, one start of all ranks each, into this rank's row of the board. Returns how
/// many: on a crowded machine starting together may take far longer than the calls.
std::size_t Group::time_samples(Cell& cell, std::size_t samples) {
  constexpr double kLeastS = 0.002;
  const double until_s = context_.elapsed_s() + std::max(kLeastS, 2 * cell_share_s_);
  const auto mine = board_.samples(context_.rank);
  if (context_.rank == 0) board_.stop_at(samples);
  for (std::size_t i = 0;; ++i) {
    const bool late = i > 0 && i < samples && context_.elapsed_s() > until_s;
    if (context_.rank == 0 && late) board_.stop_at(i);
    board_.meet();
    if (board_.stops(i)) return i;
    mine[i] = time_here(cell, 1);
  }
}

/// This round's part of the calls that are timed alone.
void Group::take_samples(Cell& cell, int round) {
  const int rounds = cell.plan.rounds;
  const auto until = [&](int end) { return (cell.plan.samples * end + rounds - 1) / rounds; };
  const std::size_t taken =
      time_samples(cell, static_cast<std::size_t>(until(round + 1) - until(round)));
  if (context_.rank == 0) {
    std::vector<double> by_rank(static_cast<std::size_t>(context_.ranks));
    for (std::size_t i = 0; i < taken; ++i) {
      for (int rank = 0; rank < context_.ranks; ++rank)
        by_rank[static_cast<std::size_t>(rank)] = board_.samples(rank)[i];
      cell.samples_s.push_back(combine_ranks(by_rank, static_cast<Average>(settings_.average)));
    }
  }
  board_.meet();
}

void Group::take_rounds() {
  std::vector<Cell*> order;
  int rounds = 0;
  for (Cell& cell : cells_) {
    if (!cell.skipped.empty()) continue;
    order.push_back(&cell);
    rounds = std::max(rounds, cell.plan.rounds);
  }
  std::mt19937_64 random(settings_.seed + of_.index);  // the same shuffle on every rank
  for (int round = 0; round < rounds; ++round) {
    if (round > 0 && out_of_share()) return;
    std::ranges::shuffle(order, random);
    for (Cell* cell : order)
      if (round < cell->plan.rounds) take_turn(*cell, round);
    for (Cell* cell : order)
      if (round < cell->plan.rounds && cell->plan.samples > 0) take_samples(*cell, round);
  }
}

/// Every cell's call beside computation that takes as long.
void Group::measure_overlaps() {
  constexpr int kOverlapRounds = 15;
  if (!settings_.overlap || !of_.call.collective->moves_data()) return;
  for (int round = 0; round < kOverlapRounds; ++round) {
    if (round > 0 && out_of_time()) return;
    for (Cell& cell : cells_) {
      if (!cell.skipped.empty()) continue;
      const Arrays at = arrays(cell);
      const OverlapTimes mine =
          time_overlap(of_.call, at.send.data(), at.recv.data(), context_.comm, options_of(cell),
                       board_.agree(cell.call_s), [this] { board_.meet(); });
      cell.overlaps.push_back({.compute_s = combined(mine.compute_s),
                               .communication_s = combined(mine.communication_s),
                               .both_s = combined(mine.both_s)});
    }
  }
}

/// Whatever the last turn has not checked: in place, where the turn's result is the input of its
/// next call and cannot be foretold, and cells that the budget cut short.
void Group::check_at_end() {
  if (!settings_.check) return;
  for (Cell& cell : cells_) {
    if (cell.checked_at_end || !cell.skipped.empty()) continue;
    spoil_output(cell);
    board_.meet();
    time_here(cell, 1);
    count_wrong(cell);
  }
}

void Group::measure_limits() {
  if (context_.rank == 0)
    for (const bool in_place : listed(settings_.in_place))
      traffic_s_[in_place ? 1 : 0] = context_.limit->traffic_s({.collective = of_.call.collective,
                                                                .ranks = context_.ranks,
                                                                .bytes = of_.bytes,
                                                                .in_place = in_place});
  board_.meet_asleep();
}

/// Measures every cell once over. Returns whether the machine stayed in one state.
bool Group::measure(double share_s) {
  const double start_s = context_.elapsed_s();
  for (Cell& cell : cells_) {
    cell.turns_s.clear();
    cell.samples_s.clear();
    cell.overlaps.clear();
    cell.checked_at_end = false;
  }
  traffic_s_[0] = traffic_s_[1] = 0;
  line_ns_[0] = probe_line(board_, context_.rank, context_.cpus);
  measure_limits();
  first_calls();
  // The last check takes about as long as the first; what is left is for the figures.
  const double spent_s = context_.elapsed_s() - start_s;
  deadline_s_ = std::min(settings_.budget_s, start_s + std::max(share_s, 2 * spent_s));
  plan_cells(std::max(0.0, share_s - 1.5 * spent_s));
  take_rounds();
  measure_overlaps();
  check_at_end();
  measure_limits();
  line_ns_[1] = probe_line(board_, context_.rank, context_.cpus);
  return !line_ns_[0] || line_state(*line_ns_[0]) == line_state(*line_ns_[1]);
}

void Group::run(double share_s) {
  constexpr double kWorthRepeatingS = 2;
  const double start_s = context_.elapsed_s();
  fill_inputs();
  const bool steady = measure(share_s);
  const double taken_s = context_.elapsed_s() - start_s;
  const bool fits = context_.elapsed_s() + 2 * taken_s < settings_.budget_s;
  if (board_.agree(!steady && fits && taken_s < kWorthRepeatingS)) measure(share_s);
  if (context_.rank == 0) report();
}

}  // namespace tutti

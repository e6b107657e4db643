#include "perf/line_probe.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include "perf/relax.h"

namespace tutti {
namespace {

constexpr int kBatches = 20;
constexpr std::uint32_t kTrips = 50;

/// Waits for the line to hold `value`. Throws as Board::meet().
void await(Board& board, std::uint32_t value) {
  constexpr int kSpinsBetweenLooks = 1 << 16;
  std::optional<Board::Watch> watch;
  for (;;) {
    for (int spin = 0; spin < kSpinsBetweenLooks; ++spin)
      if (board.line().load(std::memory_order_acquire) == value) return;
    if (!watch) watch.emplace(board);
    watch->look();
  }
}

/// Rank 0 writes odd numbers and rank 1 the even number after each: both write the same line.
double pass_line(Board& board, int rank, std::uint32_t& turn) {
  const auto start = std::chrono::steady_clock::now();
  for (std::uint32_t trip = 0; trip < kTrips; ++trip, turn += 2) {
    if (rank == 0) {
      board.line().store(turn + 1, std::memory_order_release);
      await(board, turn + 2);
    } else {
      await(board, turn + 1);
      board.line().store(turn + 2, std::memory_order_release);
    }
  }
  const std::chrono::duration<double, std::nano> passed = std::chrono::steady_clock::now() - start;
  return passed.count() / kTrips;
}

double best_batch(Board& board, int rank, int cpu) {
  const PinnedHere pinned(cpu);
  std::uint32_t turn = 0;
  double best = std::numeric_limits<double>::infinity();
  for (int batch = 0; batch < kBatches; ++batch)
    best = std::min(best, pass_line(board, rank, turn));
  return best;
}

}  // namespace

std::optional<double> probe_line(Board& board, int rank, const CpuList& cpus) {
  if (board.ranks() < 2 || cpus.size() < 2) return std::nullopt;
  if (rank == 0) board.line().store(0, std::memory_order_relaxed);
  board.meet_asleep();
  double best = 0;
  if (rank < 2) best = best_batch(board, rank, cpus[static_cast<std::size_t>(rank)]);
  board.meet_asleep();
  return board.agree(best);
}

std::string_view line_state(double line_ns) {
  constexpr double kFarFromNs = 220;
  return line_ns < kFarFromNs ? "near" : "far";
}

}  // namespace tutti

// One rank's part of a sweep. Every rank of the world runs the same code in lockstep; rank 0
// decides what is a matter of time (how many calls, whether to go on) and the others follow.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "perf/board.h"
#include "perf/buffers.h"
#include "perf/cpus.h"
#include "perf/limit.h"
#include "perf/results.h"
#include "perf/settings.h"

namespace tutti {

/// The share of the memory there is that the limit's buffers may take; arrays get the rest.
inline constexpr double kLimitShare = 0.25;

/// What a rank has at hand all through the sweep.
struct RankContext {
  tutti_comm* comm = nullptr;
  int rank = 0;
  int ranks = 1;
  const SweepSettings* settings = nullptr;
  Board* board = nullptr;
  CpuList cpus;                 // distinct CPUs of the ranks, at most one a rank: the first two
                                // pass the line, all of them measure the limit
  ResultSink* sink = nullptr;   // rank 0 only
  LimitMeter* limit = nullptr;  // rank 0 only
  BufferPair buffers[2];        // [registered]; null pointers where a kind is not measured
  std::chrono::steady_clock::time_point start;
  std::size_t measured_cells = 0, reduced_cells = 0;  // rank 0 only

  double elapsed_s() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
};

/// Sweeps all sizes, types and ops in the world of `comm`. `sink` is null except on rank 0. Throws;
/// the other ranks then stop too.
void sweep_world(tutti_comm* comm, const SweepSettings& settings, ResultSink* sink);

/// Joins the world that the environment names (the sweep's own ranks, or a launcher's), as
/// settings.threads ranks of it, and sweeps. `sink` serves rank 0's process.
void join_and_sweep(const SweepSettings& settings, ResultSink& sink);

}  // namespace tutti

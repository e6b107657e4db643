// The calls that are measured, with nothing around them.
#pragma once

#include <cstddef>
#include <functional>

#include "perf/names.h"
#include "tutti/tutti.h"

namespace tutti {

struct CallCase {
  const CollectiveName* collective = nullptr;
  tutti_dtype dtype = TUTTI_F32;
  tutti_op op = TUTTI_SUM;
  std::size_t count = 0;  // of a block
  int root = 0;
};

/// Whether the algorithm of that name serves such a call, on so many ranks. Collective. Throws as
/// call_repeatedly().
bool serves(CallCase call, tutti_comm* comm, const char* algorithm);

/// Makes `times` calls, back to back. Throws std::runtime_error with the library's text when one
/// fails.
void call_repeatedly(const CallCase& call, const void* send, void* recv, tutti_comm* comm,
                     const tutti_options* options, int times);

/// What a call costs beside computation.
struct OverlapTimes {
  double compute_s = 0, communication_s = 0, both_s = 0;
};

/// Computes for about `call_s` seconds; makes a call with a request and waits for it; and does both
/// at the same time, with a tutti_test() now and then. Each once, all ranks together by `meet`.
OverlapTimes time_overlap(const CallCase& call, const void* send, void* recv, tutti_comm* comm,
                          const tutti_options& options, double call_s,
                          const std::function<void()>& meet);

/// `times` calls, timed: seconds per call on this rank.
double time_calls(const CallCase& call, const void* send, void* recv, tutti_comm* comm,
                  const tutti_options* options, int times);

}  // namespace tutti

// Calls of the collectives that reduce, for tests of ops.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "collectives/select.h"
#include "tests/ranks.h"
#include "tutti/tutti.h"

namespace tutti::test {

using Bytes = std::vector<std::byte>;

inline constexpr Collective kReducing[] = {Collective::kAllReduce, Collective::kReduce,
                                           Collective::kReduceScatter};

/// Runs `body` in worlds of 2, 3 and 5 processes and of 1 to TUTTI_COLLECTIVES_RANKS (9) threads.
void on_all_worlds(const RankBody& body);

int size_of(tutti_comm* comm);

struct Reduction {
  Collective collective = Collective::kAllReduce;
  Dtype dtype = Dtype::kF32;
  tutti_op op = TUTTI_SUM;
  std::size_t count = 0;  // of a block
  int root = 0;
  const char* algorithm = nullptr;  // null: chosen
  bool in_place = false;
  bool reproducible = false;

  std::string name() const;
  /// Elements of a rank's input.
  std::size_t input_count(int ranks) const;
  tutti_status call(const void* send, void* recv, tutti_comm* comm) const;
  /// Whether the call leaves this rank's part of `expected`, which is all ranks' inputs combined,
  /// and the input as it was. A rank that gets nothing says yes. Throws what the call returns.
  bool gives(const Bytes& expected, int rank, const Bytes& input, tutti_comm* comm) const;
};

/// Calls `use` with null, and with the name of each algorithm, and whether it serves such a call.
void each_algorithm(const CallKey& key, const ReduceOp& op, int ranks,
                    const std::function<void(const char* name, bool serves)>& use);

}  // namespace tutti::test

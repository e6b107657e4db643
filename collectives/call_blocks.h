// The lengths of the blocks of one call, as one rank knows them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "collectives/geometry.h"
#include "collectives/launch.h"

namespace tutti {

/// Kept and filled anew from call to call, so that calls with changing lengths allocate nothing.
/// Not moved while a call uses it: its tables point into it.
class CallBlocks {
 public:
  CallBlocks() = default;
  CallBlocks(const CallBlocks&) = delete;
  CallBlocks& operator=(const CallBlocks&) = delete;

  struct Lists {
    std::vector<std::size_t> lengths, offsets;  // elements, by block
  };
  Lists input, output;

  /// The tables of what the lists say, cut into tiles as `launch` needs. Where lengths are not known
  /// to all ranks there is one tile.
  const Blocks* bind(const Launch& launch, std::size_t scratch_bytes);

 private:
  Blocks blocks_;
};

/// What stands for lengths where a plan is chosen: of what all ranks know, the size class of the
/// mean; else a medium size.
std::size_t typical_length(Collective collective, const std::vector<std::size_t>& lengths);

}  // namespace tutti

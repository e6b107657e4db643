// Blocks that differ in length, as a proof has them: each in a place as long as the greatest.
#pragma once

#include <cstddef>
#include <vector>

#include "collectives/geometry.h"
#include "collectives/verify.h"

namespace tutti::proof {

/// The tables of one rank. Fixed after construction, and not moved: `blocks` points into it.
class LengthTables {
 public:
  LengthTables(const Plan& plan, const Claim& claim);
  LengthTables(const LengthTables&) = delete;
  LengthTables& operator=(const LengthTables&) = delete;

  const Blocks& blocks() const { return blocks_; }

 private:
  std::vector<std::size_t> input_, output_, scratch_, offsets_;
  Blocks blocks_;
};

/// Elements in a block of a rank's input or output.
std::size_t length_of(const Claim& claim, std::size_t size, Buffer buffer, std::uint32_t rank,
                      std::uint32_t block);

}  // namespace tutti::proof

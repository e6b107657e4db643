// The collectives: what each is given and gives, in blocks of the call's count.
#pragma once

#include <cstdint>
#include <iterator>
#include <string_view>
#include <vector>

#include "kernels/names.h"

namespace tutti {

/// Values equal the C API's.
enum class Collective : std::uint8_t {
  kAllReduce,
  kBroadcast,
  kBarrier,
  kReduce,
  kReduceScatter,
  kAllGather,
  kGather,
  kScatter,
  kAllToAll,
  kScan,
  kExclusiveScan,
};
inline constexpr int kCollectives = 11;

/// What a buffer of a call holds. A block is `count` elements.
enum class Extent : std::uint8_t {
  kNone,
  kBlock,        // one block
  kVector,       // a block for each rank, in rank order
  kRootsBlock,   // one block on the root, nothing elsewhere
  kRootsVector,  // a vector on the root, nothing elsewhere
};

/// Whose inputs a rank's result combines: all ranks', or those up to its own, which an exclusive
/// scan leaves out. (Rank 0 has no result then.) What a scan leaves is not scaled after: others go
/// on with it.
enum class Scan : std::uint8_t { kNone, kInclusive, kExclusive };

/// One row of the table.
struct CollectiveTraits {
  std::string_view name;
  Extent input, output;
  bool reduces;  // takes an op
  bool rooted;   // takes a root
  Scan scan = Scan::kNone;

  /// Blocks of a buffer on a rank of `size`.
  static constexpr int blocks(Extent extent, int size, bool is_root) {
    switch (extent) {
      case Extent::kNone:
        return 0;
      case Extent::kBlock:
        return 1;
      case Extent::kVector:
        return size;
      case Extent::kRootsBlock:
        return is_root ? 1 : 0;
      case Extent::kRootsVector:
        return is_root ? size : 0;
    }
    return 0;
  }
  constexpr int input_blocks(int size, int rank, int root) const {
    return blocks(input, size, rank == root);
  }
  constexpr int output_blocks(int size, int rank, int root) const {
    return blocks(output, size, rank == root);
  }
  /// Two vectors have none: each block would have to be read before the one that replaces it comes.
  constexpr bool has_in_place_form() const {
    return input != Extent::kVector || output != Extent::kVector;
  }
};

/// By Collective.
inline constexpr CollectiveTraits kCollectiveTraits[] = {
    {kCollectiveNames[0], Extent::kBlock, Extent::kBlock, true, false},        // all_reduce
    {kCollectiveNames[1], Extent::kRootsBlock, Extent::kBlock, false, true},   // broadcast
    {kCollectiveNames[2], Extent::kNone, Extent::kNone, false, false},         // barrier
    {kCollectiveNames[3], Extent::kBlock, Extent::kRootsBlock, true, true},    // reduce
    {kCollectiveNames[4], Extent::kVector, Extent::kBlock, true, false},       // reduce_scatter
    {kCollectiveNames[5], Extent::kBlock, Extent::kVector, false, false},      // all_gather
    {kCollectiveNames[6], Extent::kBlock, Extent::kRootsVector, false, true},  // gather
    {kCollectiveNames[7], Extent::kRootsVector, Extent::kBlock, false, true},  // scatter
    {kCollectiveNames[8], Extent::kVector, Extent::kVector, false, false},     // all_to_all
    {kCollectiveNames[9], Extent::kBlock, Extent::kBlock, true, false, Scan::kInclusive},
    {kCollectiveNames[10], Extent::kBlock, Extent::kBlock, true, false, Scan::kExclusive},
};
static_assert(std::size(kCollectiveTraits) == kCollectives &&
              kCollectiveNames.size() == kCollectives);

constexpr const CollectiveTraits& traits_of(Collective collective) {
  return kCollectiveTraits[static_cast<std::size_t>(collective)];
}

inline std::vector<Collective> all_collectives() {
  std::vector<Collective> all;
  for (int c = 0; c < kCollectives; ++c) all.push_back(static_cast<Collective>(c));
  return all;
}

constexpr std::string_view name_of(Collective collective) { return traits_of(collective).name; }

}  // namespace tutti

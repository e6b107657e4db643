#include "collectives/collective.h"

#include "kernels/names.h"
#include "tutti/tutti.h"

namespace tutti {
namespace {

constexpr CollectiveTraits row(tutti_collective collective, Extent input, Extent output,
                               bool reduces, bool rooted) {
  return {kCollectiveNames[static_cast<std::size_t>(collective)], input, output, reduces, rooted};
}

constexpr CollectiveTraits kRows[] = {
    row(TUTTI_ALL_REDUCE, Extent::kBlock, Extent::kBlock, true, false),
    row(TUTTI_BROADCAST, Extent::kRootsBlock, Extent::kBlock, false, true),
    row(TUTTI_BARRIER, Extent::kNone, Extent::kNone, false, false),
    row(TUTTI_REDUCE, Extent::kBlock, Extent::kRootsBlock, true, true),
    row(TUTTI_REDUCE_SCATTER, Extent::kVector, Extent::kBlock, true, false),
    row(TUTTI_ALL_GATHER, Extent::kBlock, Extent::kVector, false, false),
    row(TUTTI_GATHER, Extent::kBlock, Extent::kRootsVector, false, true),
    row(TUTTI_SCATTER, Extent::kRootsVector, Extent::kBlock, false, true),
    row(TUTTI_ALL_TO_ALL, Extent::kVector, Extent::kVector, false, false),
};
static_assert(std::size(kRows) == kCollectives && kCollectiveNames.size() == kCollectives);

}  // namespace

const CollectiveTraits& traits_of(Collective collective) {
  return kRows[static_cast<std::size_t>(collective)];
}

}  // namespace tutti

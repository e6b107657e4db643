#include "collectives/verify/atoms.h"

#include <algorithm>

namespace tutti::proof {
namespace {

using Marks = std::vector<bool>;  // by element: whether an atom begins there

std::size_t boundary(std::uint64_t x, std::uint64_t cells, std::size_t count) {
  return x * (count / cells) + x * (count % cells) / cells;
}

std::vector<std::uint32_t> grids_of(std::span<const Plan> plans) {
  std::vector<std::uint32_t> grids;
  for (const Plan& p : plans) {
    for (const Grid& g : p.grids)
      grids.push_back(g.nesting == Nesting::kTileMajor ? g.chunks : 1);  // else a block is a chunk
  }
  std::sort(grids.begin(), grids.end());
  grids.erase(std::unique(grids.begin(), grids.end()), grids.end());
  return grids;
}

// Where a slot is cut: at every boundary of every grid in every tile, relative to the tile's begin.
Marks slot_marks(std::span<const Plan> plans, std::size_t count, std::uint32_t trips) {
  Marks marks((count + trips - 1) / trips + 1);
  for (const std::uint32_t chunks : grids_of(plans)) {
    const std::uint64_t cells = std::uint64_t{chunks} * trips;
    for (std::uint32_t t = 0; t < trips; ++t) {
      const std::uint64_t first = std::uint64_t{t} * chunks;
      const std::size_t tile = boundary(first, cells, count);
      for (std::uint32_t k = 0; k <= chunks; ++k)
        marks[boundary(first + k, cells, count) - tile] = true;
    }
  }
  return marks;
}

// Every tile is cut where a slot is.
Marks block_marks(const Marks& slot, std::size_t count, std::uint32_t trips) {
  Marks marks(count + 1);
  for (std::uint32_t t = 0; t < trips; ++t) {
    const std::size_t begin = boundary(t, trips, count), end = boundary(t + 1, trips, count);
    for (std::size_t e = begin; e < end; ++e) marks[e] = slot[e - begin];
  }
  marks[count] = true;
  return marks;
}

void number(Marks& marks, std::uint32_t inside, std::vector<std::uint32_t>& atoms,
            std::vector<std::uint32_t>& begins) {
  marks.front() = marks.back() = true;
  atoms.assign(marks.size(), inside);
  for (std::uint32_t e = 0; e < marks.size(); ++e) {
    if (!marks[e]) continue;
    atoms[e] = static_cast<std::uint32_t>(begins.size());
    begins.push_back(e);
  }
}

}  // namespace

Atoms::Atoms(std::span<const Plan> plans, std::size_t count, std::uint32_t trips, bool by_element) {
  Marks slot((count + trips - 1) / trips + 1, true), block(count + 1, true);
  if (!by_element) {
    slot = slot_marks(plans, count, trips);
    block = block_marks(slot, count, trips);
  }
  number(slot, kInside, slot_atoms_, slot_begins_);
  number(block, kInside, block_atoms_, block_begins_);
}

}  // namespace tutti::proof

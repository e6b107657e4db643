// One rank's memory in a proof: what its atoms hold, and who may touch them when.
//
// Race rules, all local to the rank:
//  - accesses of two lanes to the same atom, one of them a write, must be ordered by tokens: each
//    lane keeps a clock of what it knows of the other lanes' steps, as long as there are lanes
//    (four);
//  - an atom that is sent is lent. A lane may write it only when it knows that the loan is over,
//    from a drain of its own or from a token given after another lane's.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "collectives/geometry.h"
#include "collectives/plan.h"
#include "collectives/verify/atoms.h"
#include "collectives/verify/value.h"

namespace tutti::proof {

/// An atom of this rank's memory: those of the output's blocks, then the scratch slots', then of
/// the input's blocks. (In place some of the input's are the output's.)
using Cell = std::uint32_t;

/// Neighbouring cells, or (where a ref's are not neighbours) nothing that is known.
struct CellRun {
  Cell begin = 1, end = 0;

  bool known() const { return begin <= end; }
};

/// What a lane knows of the others: how many of their steps are done, and of each edge how many
/// sends are read.
struct Knowledge {
  std::array<std::uint32_t, kMaxLanes> done{};
  std::vector<std::uint32_t> drained;  // by edge; missing: 0
  std::vector<std::uint64_t> begun;    // barrier: bit r, rank r has begun
};

class Memory {
 public:
  Memory(const Plan& plan, const Atoms& atoms, std::size_t count, std::uint32_t trips);

  /// Appends the atoms of a ref, and returns them as a run where they are neighbours. Throws
  /// BrokenRule if it leaves its buffer, NotWholeAtoms.
  CellRun expand(const Ref& ref, const LoopVars& vars, std::vector<Cell>& cells) const;

  /// Elements in a cell.
  std::uint32_t length(Cell cell) const;
  Value load(Cell cell) const;
  void store(Cell cell, const Value& value) { values_[cell] = value; }
  bool is_input(Cell cell) const { return cell >= values_.size(); }
  /// The element of the input, or of the output, that such a cell begins at.
  std::uint32_t element_of_input(Cell cell) const {
    return element(cell - static_cast<Cell>(values_.size()));
  }
  std::uint32_t element(Cell in_vector) const;
  bool is_output(Cell cell) const { return cell < plan_.output_blocks * atoms_.in_block(); }
  /// The slot that a cell of scratch is in.
  std::uint32_t slot_of(Cell cell) const { return (cell - first_of_slots()) / atoms_.in_slot(); }

  // Accesses by a step of `lane`. Each says what rule it breaks; nullptr: none.
  const char* read(int lane, Cell cell);
  const char* write(int lane, Cell cell);

  /// A send lends the cells.
  void lend(const std::vector<Cell>& cells);
  /// `lane` knows now that the cell is lent once less.
  void give_back(int lane, Cell cell) { --loans_of(lane)[cell]; }

  const Knowledge& knowledge(int lane) const { return known_[static_cast<std::size_t>(lane)]; }
  Knowledge& knowledge(int lane) { return known_[static_cast<std::size_t>(lane)]; }
  void tick(int lane) { ++knowledge(lane).done[static_cast<std::size_t>(lane)]; }

 private:
  struct Access {
    std::array<std::uint32_t, kMaxLanes> read_at{};
    std::uint32_t written_at = 0;
    std::uint8_t writer = 0;
  };
  std::vector<std::uint32_t>& loans_of(int lane) { return loans_[static_cast<std::size_t>(lane)]; }
  Cell first_of_slots() const { return plan_.output_blocks * atoms_.in_block(); }
  /// The first cell of a block of the input, wherever it lies.
  Cell input_block(std::uint32_t block) const;
  std::uint32_t now(int lane) { return knowledge(lane).done[static_cast<std::size_t>(lane)] + 1; }
  bool knows(int lane, int other, std::uint32_t time) {
    return lane == other || knowledge(lane).done[static_cast<std::size_t>(other)] >= time;
  }

  const Plan& plan_;
  const Atoms& atoms_;
  const std::size_t count_;
  const Geometry geometry_;
  const bool many_lanes_;
  std::vector<Value> values_;                      // output and scratch
  std::vector<Access> accesses_;                   // of the same, where there are many lanes
  std::vector<std::vector<std::uint32_t>> loans_;  // by lane, then cell: as far as the lane knows
  std::vector<Knowledge> known_;                   // by lane
};

}  // namespace tutti::proof

// Buffers cut at every boundary that any plan uses.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "collectives/plan.h"

namespace tutti::proof {

/// A ref does not begin and end at boundaries of atoms: the proof must go by single elements.
struct NotWholeAtoms {};

/// The atoms of a block and of a scratch slot. Every tile is cut at the union of where any tile is
/// cut, so data keep their atoms when they move between blocks and slots. If asked for, an atom is
/// an element.
class Atoms {
 public:
  Atoms(std::span<const Plan> plans, std::size_t count, std::uint32_t trips, bool by_element);

  std::uint32_t in_block() const { return static_cast<std::uint32_t>(block_begins_.size()) - 1; }
  std::uint32_t in_slot() const { return static_cast<std::uint32_t>(slot_begins_.size()) - 1; }

  /// The atom that begins at an element; in_block() at the end. Throws NotWholeAtoms.
  std::uint32_t at(std::size_t element) const { return found(block_atoms_[element]); }
  std::uint32_t slot_at(std::size_t offset) const { return found(slot_atoms_[offset]); }

  /// First element of an atom; the count for atom in_block().
  std::uint32_t begin(std::uint32_t atom) const { return block_begins_[atom]; }
  std::uint32_t length(std::uint32_t atom) const {
    return block_begins_[atom + 1] - block_begins_[atom];
  }
  std::uint32_t slot_length(std::uint32_t atom) const {
    return slot_begins_[atom + 1] - slot_begins_[atom];
  }

 private:
  static constexpr std::uint32_t kInside = UINT32_MAX;
  static std::uint32_t found(std::uint32_t atom) {
    if (atom == kInside) throw NotWholeAtoms{};
    return atom;
  }

  std::vector<std::uint32_t> block_atoms_, slot_atoms_;    // by element: its atom, or kInside
  std::vector<std::uint32_t> block_begins_, slot_begins_;  // by atom, with an end
};

}  // namespace tutti::proof

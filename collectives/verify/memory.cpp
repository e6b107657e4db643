#include "collectives/verify/memory.h"

#include "collectives/verify/broken_rule.h"

namespace tutti::proof {

Memory::Memory(const Plan& plan, const Atoms& atoms, std::size_t count, std::uint32_t trips,
               bool has_input)
    : plan_(plan),
      atoms_(atoms),
      geometry_(plan, count, trips),
      has_input_(has_input),
      many_lanes_(plan.lanes() > 1),
      values_(atoms.in_vector() + std::size_t{plan.scratch_slots} * atoms.in_slot()),
      accesses_(many_lanes_ ? values_.size() : 0),
      loans_(static_cast<std::size_t>(plan.lanes()), std::vector<std::uint32_t>(values_.size())),
      known_(static_cast<std::size_t>(plan.lanes())) {
  if (!plan.in_place || !has_input) return;
  for (Cell c = 0; c < atoms.in_vector(); ++c) values_[c] = input_of(plan.rank, atoms.begin(c));
}

CellRun Memory::expand(const Ref& ref, const LoopVars& vars, std::vector<Cell>& cells) const {
  CellRun run{0, 0};
  int ranges = 0;
  const auto append = [&](Cell begin, Cell end) {
    run = ++ranges == 1 ? CellRun{begin, end} : CellRun{};
    for (Cell c = begin; c < end; ++c) cells.push_back(c);
  };
  if (ref.buffer != Buffer::kScratch) {
    const bool apart = ref.buffer == Buffer::kInput && !plan_.in_place;
    const auto base = apart ? static_cast<Cell>(values_.size()) : 0;
    geometry_.for_each_range(ref, vars, [&](Range r) {
      append(base + atoms_.at(r.begin), base + atoms_.at(r.begin + r.count));
    });
    return run;
  }
  const std::uint32_t slot = evaluate(ref.slot, vars, plan_.scratch_slots);
  const Cell base = atoms_.in_vector() + slot * atoms_.in_slot();
  geometry_.for_each_range(ref, vars, [&](Range r) {
    const std::size_t begin = r.begin - slot * geometry_.slot_stride();
    if (begin + r.count > geometry_.slot_count()) throw BrokenRule("leaves its scratch slot");
    append(base + atoms_.slot_at(begin), base + atoms_.slot_at(begin + r.count));
  });
  return run;
}

std::uint32_t Memory::length(Cell cell) const {
  if (cell < atoms_.in_vector()) return atoms_.length(cell);
  if (is_input(cell)) return atoms_.length(atom_of_input(cell));
  return atoms_.slot_length((cell - atoms_.in_vector()) % atoms_.in_slot());
}

Value Memory::load(Cell cell) const {
  if (!is_input(cell)) return values_[cell];
  if (!has_input_) return {};
  return input_of(plan_.rank, atoms_.begin(atom_of_input(cell)));
}

const char* Memory::read(int lane, Cell cell) {
  if (!many_lanes_ || is_input(cell)) return nullptr;
  Access& a = accesses_[cell];
  if (!knows(lane, a.writer, a.written_at))
    return "reads what another lane may be writing (no token orders them)";
  a.read_at[static_cast<std::size_t>(lane)] = now(lane);
  return nullptr;
}

const char* Memory::write(int lane, Cell cell) {
  if (loans_of(lane)[cell] > 0) return "writes what a peer may still be reading (no drain)";
  if (!many_lanes_) return nullptr;
  Access& a = accesses_[cell];
  bool ordered = knows(lane, a.writer, a.written_at);
  for (int other = 0; other < kMaxLanes; ++other)
    ordered &= knows(lane, other, a.read_at[static_cast<std::size_t>(other)]);
  if (!ordered) return "writes what another lane may be using (no token orders them)";
  a.writer = static_cast<std::uint8_t>(lane);
  a.written_at = now(lane);
  return nullptr;
}

void Memory::lend(const std::vector<Cell>& cells) {
  for (std::vector<std::uint32_t>& loans : loans_) {
    for (const Cell c : cells) {
      if (!is_input(c)) ++loans[c];
    }
  }
}

}  // namespace tutti::proof

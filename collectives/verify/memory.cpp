#include "collectives/verify/memory.h"

#include <algorithm>

#include "collectives/verify/broken_rule.h"

namespace tutti::proof {

Memory::Memory(const Plan& plan, const Atoms& atoms, std::size_t count, std::uint32_t trips)
    : plan_(plan),
      atoms_(atoms),
      count_(count),
      geometry_(plan, count, trips),
      many_lanes_(plan.lanes() > 1),
      values_(std::size_t{plan.output_blocks} * atoms.in_block() +
              std::size_t{plan.scratch_slots} * atoms.in_slot()),
      accesses_(many_lanes_ ? values_.size() : 0),
      loans_(static_cast<std::size_t>(plan.lanes()), std::vector<std::uint32_t>(values_.size())),
      known_(static_cast<std::size_t>(plan.lanes())) {
  for (std::uint32_t block = 0; block < plan.input_blocks; ++block) {
    if (!plan.output_of_input(block)) continue;
    for (Cell a = 0; a < atoms.in_block(); ++a)
      values_[input_block(block) + a] = input_of(plan.rank, element(block * atoms.in_block() + a));
  }
}

Cell Memory::input_block(std::uint32_t block) const {
  const auto output = plan_.output_of_input(block);
  const Cell apart = static_cast<Cell>(values_.size()) + block * atoms_.in_block();
  return output ? *output * atoms_.in_block() : apart;
}

CellRun Memory::expand(const Ref& ref, const LoopVars& vars, std::vector<Cell>& cells) const {
  CellRun run{0, 0};
  int ranges = 0;
  const auto append = [&](Cell begin, Cell end) {
    run = ++ranges == 1 ? CellRun{begin, end} : CellRun{};
    for (Cell c = begin; c < end; ++c) cells.push_back(c);
  };
  geometry_.for_each_range(ref, vars, [&](Range r) {
    if (ref.buffer == Buffer::kScratch) {
      const auto slot = static_cast<Cell>(r.begin / geometry_.slot_stride());
      const std::size_t begin = r.begin % geometry_.slot_stride();
      if (begin + r.count > geometry_.slot_count()) throw BrokenRule("leaves its scratch slot");
      const Cell base = first_of_slots() + slot * atoms_.in_slot();
      append(base + atoms_.slot_at(begin), base + atoms_.slot_at(begin + r.count));
      return;
    }
    while (r.count > 0) {  // block by block
      const auto block = static_cast<std::uint32_t>(r.begin / count_);
      const std::size_t begin = r.begin % count_, here = std::min(r.count, count_ - begin);
      const Cell base =
          ref.buffer == Buffer::kInput ? input_block(block) : block * atoms_.in_block();
      append(base + atoms_.at(begin), base + atoms_.at(begin + here));
      r = {r.begin + here, r.count - here};
    }
  });
  return run;
}

std::uint32_t Memory::element(Cell in_vector) const {
  const Cell block = in_vector / atoms_.in_block();
  return static_cast<std::uint32_t>(block * count_) + atoms_.begin(in_vector % atoms_.in_block());
}

std::uint32_t Memory::length(Cell cell) const {
  if (is_input(cell))
    cell -= static_cast<Cell>(values_.size());
  else if (!is_output(cell))
    return atoms_.slot_length((cell - first_of_slots()) % atoms_.in_slot());
  return atoms_.length(cell % atoms_.in_block());
}

Value Memory::load(Cell cell) const {
  return is_input(cell) ? input_of(plan_.rank, element_of_input(cell)) : values_[cell];
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

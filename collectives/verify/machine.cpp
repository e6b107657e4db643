#include "collectives/verify/machine.h"

#include <algorithm>
#include <utility>

#include "collectives/verify/broken_rule.h"

namespace tutti::proof {
namespace {

constexpr std::uint32_t kWindow = 1;  // posts that an edge holds

void add_bits(std::vector<std::uint64_t>& bits, const std::vector<std::uint64_t>& more) {
  for (std::size_t w = 0; w < more.size(); ++w) bits[w] |= more[w];
}

bool overlap(std::vector<Cell> x, std::span<const Cell> y) {
  std::sort(x.begin(), x.end());
  return std::any_of(y.begin(), y.end(),
                     [&](Cell c) { return std::binary_search(x.begin(), x.end(), c); });
}

}  // namespace

Machine::Machine(std::span<const Plan> plans, const Claim& claim, const Atoms& atoms)
    : claim_(claim), size_(plans.size()) {
  ranks_.reserve(size_);
  for (const Plan& p : plans) {
    lanes_ = std::max(lanes_, static_cast<std::size_t>(p.lanes()));
    ranks_.push_back({&p, Memory(p, atoms, claim.count, claim.trips), {}, {}});
    Rank& self = ranks_.back();
    self.lanes.resize(static_cast<std::size_t>(p.lanes()));
    for (int l = 0; l < p.lanes(); ++l) {
      self.lanes[static_cast<std::size_t>(l)].at = LaneCursor(p, l, claim.trips);
      if (claim.collective != Collective::kBarrier) continue;
      std::vector<std::uint64_t>& begun = self.memory.knowledge(l).begun;
      begun.resize(size_ / 64 + 1);
      begun[p.rank / 64] = std::uint64_t{1} << (p.rank % 64);
    }
    self.drains = std::any_of(p.steps.begin(), p.steps.end(),
                              [](const Step& s) { return s.op == Step::Op::kDrain; });
  }
  edge_numbers_.resize(size_ * size_ * lanes_);
}

Machine::Edge& Machine::edge(std::uint32_t from, std::uint32_t to, int lane) {
  std::uint32_t& number =
      edge_numbers_[(from * size_ + to) * lanes_ + static_cast<std::size_t>(lane)];
  std::vector<Edge>& edges = rank(from).edges;
  if (number == 0) {
    edges.push_back({.to = to, .lane = static_cast<std::uint8_t>(lane)});
    number = static_cast<std::uint32_t>(edges.size());
  }
  return edges[number - 1];
}

void Machine::wake(std::uint32_t r) {
  if (std::exchange(rank(r).queued, true)) return;
  queue_.push_back(r);
}

void Machine::run() {
  for (std::uint32_t r = 0; r < size_; ++r) wake(r);
  while (!queue_.empty()) {
    const std::uint32_t r = queue_.front();
    queue_.pop_front();
    rank(r).queued = false;
    for (bool moved = true; moved;) {
      moved = false;
      for (int lane = 0; lane < rank(r).plan->lanes(); ++lane) {
        while (move(r, lane)) moved = true;
      }
    }
  }
  check_ended();
}

// Does the lane's present step if it can.
bool Machine::move(std::uint32_t r, int lane) {
  Rank& self = rank(r);
  Lane& mine = self.lanes[static_cast<std::size_t>(lane)];
  if (mine.at.step() == nullptr) return false;
  try {
    if (!step(self, lane)) return false;
  } catch (const BrokenRule& broken) {
    fail(self, lane, broken.what());
  }
  self.memory.tick(lane);
  mine.at.advance();
  mine.operand = mine.member = 0;
  return true;
}

bool Machine::step(Rank& self, int lane) {
  switch (self.lanes[static_cast<std::size_t>(lane)].at.step()->op) {
    case Step::Op::kSend:
      return send(self, lane);
    case Step::Op::kReduce:
    case Step::Op::kScale:
      return reduce(self, lane);
    case Step::Op::kDrain:
      return drain(self, lane);
    case Step::Op::kSignal:
      return signal(self, lane);
    case Step::Op::kWait:
      return wait(self, lane);
    default:
      throw BrokenRule("is a loop step where none may be");
  }
}

bool Machine::send(Rank& self, int lane) {
  const LaneCursor& at = self.lanes[static_cast<std::size_t>(lane)].at;
  const std::uint32_t to = self.plan->rank_of(at.step()->peer, at.vars());
  if (to == self.plan->rank) throw BrokenRule("sends to its own rank");
  if (lane >= rank(to).plan->lanes())
    throw BrokenRule("is never received: rank " + std::to_string(to) + " has no such lane");
  Edge& e = edge(self.plan->rank, to, lane);
  if (e.sent - e.read >= kWindow) return false;

  loan_.clear();
  const CellRun run = self.memory.expand(at.step()->ref, at.vars(), loan_);
  for (const Cell c : loan_) {
    if (self.memory.load(c).state == State::kNothing)
      throw BrokenRule("sends " + element_name(self, lane, c) + ", which was never written");
    if (const char* rule = self.memory.read(lane, c)) throw BrokenRule(rule);
  }
  Knowledge& known = self.memory.knowledge(lane);
  if (known.done[e.foreign_lane] < e.foreign_at && e.foreign_lane != lane)
    throw BrokenRule("races with another lane's drain of the same sends");
  self.memory.lend(loan_);
  e.under_way = {at.index(), at.vars(), run};
  if (self.drains) e.loans.push_back(e.under_way);
  e.begun = known.begun;
  e.sent_at = known.done[static_cast<std::size_t>(lane)] + 1;
  ++e.sent;
  ++messages_;
  wake(to);
  return true;
}

bool Machine::reduce(Rank& self, int lane) {
  if (!all_there(self, lane)) return false;
  const LaneCursor& at = self.lanes[static_cast<std::size_t>(lane)].at;
  target_.clear();
  self.memory.expand(at.step()->ref, at.vars(), target_);
  gather(self, lane);
  combine_into(self, lane);
  return true;
}

// Whether every message that the present step takes is there. Goes on where it stopped last time.
bool Machine::all_there(Rank& self, int lane) {
  Lane& mine = self.lanes[static_cast<std::size_t>(lane)];
  const auto operands = self.plan->operands_of(*mine.at.step());
  for (; mine.operand < operands.size(); ++mine.operand, mine.member = 0) {
    const Operand& o = operands[mine.operand];
    if (!o.is_message()) continue;
    const std::uint32_t members = o.kind == Operand::Kind::kPeer ? 1 : o.count;
    for (; mine.member < members; ++mine.member) {
      const std::uint32_t from = self.plan->rank_of(o.peer, mine.at.vars(), mine.member);
      if (from == self.plan->rank) continue;
      const Edge& e = edge(from, self.plan->rank, lane);
      if (e.sent == e.read) return false;
    }
  }
  return true;
}

// Lists the cells of all operands in order: sources_ and cells_. The messages are read now.
void Machine::gather(Rank& self, int lane) {
  const LaneCursor& at = self.lanes[static_cast<std::size_t>(lane)].at;
  sources_.clear();
  cells_.clear();
  for (const Operand& o : self.plan->operands_of(*at.step())) {
    if (o.kind == Operand::Kind::kLocal) {
      take_local(self, lane, o.ref);
      continue;
    }
    const std::uint32_t members = o.kind == Operand::Kind::kPeer ? 1 : o.count;
    for (std::uint32_t m = 0; m < members; ++m) {
      const std::uint32_t member = self.plan->rank_of(o.peer, at.vars(), m);
      const bool own = member == self.plan->rank;
      if (own && o.kind == Operand::Kind::kPeer) throw BrokenRule("receives from its own rank");
      if (own) {
        take_local(self, lane, o.ref);
      } else if (o.kind == Operand::Kind::kSlots) {
        take_local(self, lane, o.slot_of(member));
      } else {
        receive(self, member, lane);
      }
    }
  }
}

void Machine::receive(Rank& self, std::uint32_t from, int lane) {
  Edge& e = edge(from, self.plan->rank, lane);
  if (e.sent == e.read)
    throw BrokenRule("takes two messages of rank " + std::to_string(from) + " at once");
  Rank& sender = rank(from);
  const std::size_t begin = cells_.size();
  cells_of(sender, e.under_way, cells_);
  sources_.push_back({&sender.memory, begin, cells_.size()});
  ++e.read;
  if (!e.begun.empty()) add_bits(self.memory.knowledge(lane).begun, e.begun);
  wake(from);
}

// Appends them.
void Machine::cells_of(const Rank& sender, const Message& message, std::vector<Cell>& cells) const {
  if (!message.cells.known()) {
    sender.memory.expand(sender.plan->steps[message.step].ref, message.vars, cells);
    return;
  }
  for (Cell c = message.cells.begin; c < message.cells.end; ++c) cells.push_back(c);
}

void Machine::take_local(Rank& self, int lane, const Ref& ref) {
  const LaneCursor& at = self.lanes[static_cast<std::size_t>(lane)].at;
  const std::size_t begin = cells_.size();
  self.memory.expand(ref, at.vars(), cells_);
  const std::span<const Cell> cells = std::span(cells_).subspan(begin);
  for (const Cell c : cells) {
    if (const char* rule = self.memory.read(lane, c)) throw BrokenRule(rule);
  }
  if (!std::ranges::equal(cells, target_) && overlap(target_, cells))
    throw BrokenRule("has an operand that overlaps the result without being equal to it");
  sources_.push_back({&self.memory, begin, cells_.size()});
}

void Machine::combine_into(Rank& self, int lane) {
  const Step& s = *self.lanes[static_cast<std::size_t>(lane)].at.step();
  const auto elements = [](const Memory& memory, std::span<const Cell> cells) {
    std::size_t sum = 0;
    for (const Cell c : cells) sum += memory.length(c);
    return sum;
  };
  const std::size_t wanted = elements(self.memory, target_);
  for (const Source& source : sources_) {
    const std::size_t got = elements(
        *source.memory, std::span(cells_).subspan(source.begin, source.end - source.begin));
    if (got != wanted)
      throw BrokenRule("takes " + std::to_string(wanted) + " elements and is given " +
                       std::to_string(got));
    if (source.end - source.begin != target_.size()) throw NotWholeAtoms{};
  }
  results_.clear();
  for (std::size_t k = 0; k < target_.size(); ++k) {
    operands_.clear();
    for (const Source& source : sources_) {
      const Cell c = cells_[source.begin + k];
      if (source.memory->length(c) != self.memory.length(target_[k])) throw NotWholeAtoms{};
      operands_.push_back(source.memory->load(c));
    }
    Value v = combine(operands_, s.shape, claim_.pre_scaled);
    if (s.op == Step::Op::kScale) v = scaled(v, self.plan->rank, claim_.pre_scaled);
    const bool rounded = operands_.size() == 1 || s.shape == ReduceShape::kBalanced;
    if (s.finish) v = finished(v, rounded, claim_.pre_scaled);
    results_.push_back(v);
  }
  for (std::size_t k = 0; k < target_.size(); ++k) {
    if (const char* rule = self.memory.write(lane, target_[k]))
      throw BrokenRule(rule + (": " + element_name(self, lane, target_[k])));
    self.memory.store(target_[k], results_[k]);
  }
}

bool Machine::drain(Rank& self, int lane) {
  const LaneCursor& at = self.lanes[static_cast<std::size_t>(lane)].at;
  const Step& s = *at.step();
  const std::uint32_t to = self.plan->rank_of(s.peer, at.vars());
  if (to == self.plan->rank) throw BrokenRule("drains its own rank");
  Edge& e = edge(self.plan->rank, to, s.lane);
  const Knowledge& known = self.memory.knowledge(lane);
  if (s.lane != lane) {  // how much it waits for must not depend on how far that lane has come
    if (known.done[s.lane] < e.sent_at) throw BrokenRule("races with another lane's sends");
    e.foreign_lane = static_cast<std::uint8_t>(lane);
    e.foreign_at = known.done[static_cast<std::size_t>(lane)] + 1;
  }
  if (e.sent <= s.lag) return true;
  if (e.read < e.sent - s.lag) return false;
  drained(self, lane, static_cast<std::uint32_t>(&e - self.edges.data()), e.sent - s.lag);
  return true;
}

// The lane learns that the first `count` sends of an edge are read.
void Machine::drained(Rank& self, int lane, std::uint32_t number, std::uint32_t count) {
  std::vector<std::uint32_t>& mine = self.memory.knowledge(lane).drained;
  if (mine.size() <= number) mine.resize(number + 1);
  Edge& e = self.edges[number];
  for (std::uint32_t& k = mine[number]; k < count; ++k) {
    loan_.clear();
    cells_of(self, e.loans[k - e.first_loan], loan_);
    for (const Cell c : loan_) {
      if (!self.memory.is_input(c)) self.memory.give_back(lane, c);
    }
  }
  std::uint32_t all = count;  // what all lanes know can be forgotten, from time to time
  for (int l = 0; l < self.plan->lanes(); ++l) {
    const auto& theirs = self.memory.knowledge(l).drained;
    all = std::min(all, number < theirs.size() ? theirs[number] : 0);
  }
  if (const std::uint32_t old = all - e.first_loan; old > 0 && old >= e.loans.size() / 2) {
    e.loans.erase(e.loans.begin(), e.loans.begin() + old);
    e.first_loan = all;
  }
}

bool Machine::signal(Rank& self, int lane) {
  const Step& s = *self.lanes[static_cast<std::size_t>(lane)].at.step();
  self.lanes[s.lane].tokens[lane].push_back({self.memory.knowledge(lane)});
  return true;
}

bool Machine::wait(Rank& self, int lane) {
  Lane& mine = self.lanes[static_cast<std::size_t>(lane)];
  std::deque<Token>& tokens = mine.tokens[mine.at.step()->lane];
  if (tokens.empty()) return false;
  learn(self, lane, tokens.front().known);
  tokens.pop_front();
  return true;
}

void Machine::learn(Rank& self, int lane, const Knowledge& known) {
  Knowledge& mine = self.memory.knowledge(lane);
  for (std::size_t l = 0; l < kMaxLanes; ++l) mine.done[l] = std::max(mine.done[l], known.done[l]);
  if (!known.begun.empty()) add_bits(mine.begun, known.begun);
  for (std::uint32_t number = 0; number < known.drained.size(); ++number) {
    if (known.drained[number] > 0) drained(self, lane, number, known.drained[number]);
  }
}

}  // namespace tutti::proof

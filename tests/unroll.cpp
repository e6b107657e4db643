#include "tests/unroll.h"

#include <utility>

namespace tutti::test {
namespace {

long modulo(long value, long m) { return ((value % m) + m) % m; }

}  // namespace

Unroller::Unroller(const Plan& plan, std::size_t count, unsigned trips)
    : plan_(plan), count_(static_cast<long>(count)), trips_(trips) {}

int Unroller::memory_size() const {
  return static_cast<int>(count_) * (plan_.in_place ? 1 : 2) +
         static_cast<int>(plan_.scratch_slots) * slot_length();
}

std::vector<Action> Unroller::lane(std::size_t l) {
  actions_.clear();
  block(plan_.lane_begin[l], plan_.lane_begin[l + 1]);
  return std::move(actions_);
}

// The steps from begin to end, loops carried out.
void Unroller::block(unsigned begin, unsigned end) {
  for (unsigned k = begin; k < end; ++k) {
    const Step& s = plan_.steps[k];
    if (s.op != Step::Op::kLoop && s.op != Step::Op::kTiles) {
      one(s);
      continue;
    }
    unsigned close = k;
    while (plan_.steps[close].op != Step::Op::kEnd || plan_.steps[close].jump != k) ++close;
    long& variable = s.op == Step::Op::kTiles ? tile_ : s.depth == 1 ? i_ : j_;
    const unsigned times = s.op == Step::Op::kTiles ? trips_ : s.trips;
    for (variable = 0; variable < times; ++variable) block(k + 1, close);
    variable = 0;
    k = close;
  }
}

void Unroller::one(const Step& s) {
  Action a{
      .op = s.op, .lane = s.lane, .lag = s.lag, .finish = s.finish, .memory = {}, .inputs = {}};
  a.balanced = s.shape == ReduceShape::kBalanced;
  if (s.op == Step::Op::kSend || s.op == Step::Op::kDrain) a.peer = rank(s.peer, 0);
  if (s.op == Step::Op::kSend || s.op == Step::Op::kReduce || s.op == Step::Op::kScale)
    a.memory = addresses(s.ref);
  if (s.op == Step::Op::kReduce || s.op == Step::Op::kScale) {
    for (unsigned o = 0; o < s.operand_count; ++o)
      add_inputs(plan_.operands[s.operand_begin + o], a.inputs);
  }
  actions_.push_back(std::move(a));
}

void Unroller::add_inputs(const Operand& o, std::vector<Input>& inputs) {
  if (o.kind == Operand::Kind::kLocal) {
    inputs.push_back({-1, addresses(o.ref)});
  } else if (o.kind == Operand::Kind::kPeer) {
    inputs.push_back({rank(o.peer, 0), {}});
  } else {
    for (unsigned m = 0; m < o.count; ++m) {
      const int member = rank(o.peer, m);
      if (member == static_cast<int>(plan_.rank)) {
        inputs.push_back({-1, addresses(o.ref)});
      } else if (o.kind == Operand::Kind::kPeers) {
        inputs.push_back({member, {}});
      } else {
        Ref slot = o.ref;
        slot.buffer = Buffer::kScratch;
        slot.slot = Expr(member);
        inputs.push_back({-1, addresses(slot)});
      }
    }
  }
}

int Unroller::rank(const Peer& p, unsigned member) const {
  if (p.map == 0)
    return static_cast<int>(modulo(value(p.index) + member, static_cast<long>(plan_.size)));
  const auto& map = plan_.maps[p.map];
  const long k = modulo(value(p.index) + member, static_cast<long>(map.size()));
  return static_cast<int>(map[static_cast<std::size_t>(k)]);
}

Addresses Unroller::addresses(const Ref& ref) const {
  const Grid& grid = plan_.grids[ref.grid];
  const long chunks = grid.chunks, cells = chunks * trips_;
  Addresses found;
  for (unsigned n = 0; n < ref.total; ++n) {
    const long run = n / ref.run, within = n % ref.run;
    const long k = modulo(value(ref.first) + run * ref.stride + within, chunks);
    const bool tile_major = grid.nesting == Nesting::kTileMajor;
    const long cell = tile_major ? tile_ * chunks + k : k * trips_ + tile_;
    const long origin = tile_major ? tile_ * chunks : cell;
    for (long e = cell * count_ / cells; e < (cell + 1) * count_ / cells; ++e)
      found.push_back(address(ref, e, e - origin * count_ / cells));
  }
  return found;
}

Address Unroller::address(const Ref& ref, long element, long in_tile) const {
  if (ref.buffer == Buffer::kOutput || (ref.buffer == Buffer::kInput && plan_.in_place))
    return static_cast<int>(element);
  if (ref.buffer == Buffer::kInput) return static_cast<int>(count_ + element);
  expect_right(in_tile < slot_length(), "a slot is left");
  const long slot = modulo(value(ref.slot), static_cast<long>(plan_.scratch_slots));
  return static_cast<int>(count_ * (plan_.in_place ? 1 : 2) + slot * slot_length() + in_tile);
}

}  // namespace tutti::test

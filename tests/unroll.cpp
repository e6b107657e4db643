#include "tests/unroll.h"

#include <utility>

namespace tutti::test {
namespace {

long modulo(long value, long m) { return ((value % m) + m) % m; }

}  // namespace

Unroller::Unroller(const Plan& plan, std::size_t count, unsigned trips)
    : plan_(plan), count_(static_cast<long>(count)), trips_(trips) {}

int Unroller::memory_size() const {
  return output_size() + input_size() + static_cast<int>(plan_.scratch_slots) * slot_length();
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
  const bool scratch = ref.buffer == Buffer::kScratch;
  const bool in_blocks = grid.nesting == Nesting::kChunkMajor;
  const long chunks = in_blocks ? 1 : grid.chunks;  // of a block
  Addresses found;
  for (unsigned n = 0; n < ref.total; ++n) {
    const long run = n / ref.run, within = n % ref.run;
    const long k = modulo(value(ref.first) + run * ref.stride + within, grid.chunks);
    const long tile = tile_ * chunks, cell = in_blocks ? tile : tile + k, cells = chunks * trips_;
    const long block = in_blocks ? k : 0;
    for (long e = cell * count_ / cells; e < (cell + 1) * count_ / cells; ++e) {
      found.push_back(scratch ? in_slot(value(ref.slot) + block, e - tile * count_ / cells)
                              : in_buffer(ref.buffer, block, e));
    }
  }
  return found;
}

Address Unroller::in_buffer(Buffer buffer, long block, long element) const {
  const long in = plan_.input_blocks, out = plan_.output_blocks;
  if (buffer == Buffer::kInput) {
    expect_right(block < in, "no such block of the input");
    const bool shared = plan_.in_place && (in == out || in == 1 || block == plan_.rank);
    if (!shared) return static_cast<int>(out * count_ + block * count_ + element);
    block = in == out ? block : in == 1 ? plan_.rank : 0;
  }
  expect_right(block < out, "no such block of the output");
  return static_cast<int>(block * count_ + element);
}

Address Unroller::in_slot(long slot, long element) const {
  expect_right(element < slot_length(), "a slot is left");
  const long number = modulo(slot, static_cast<long>(plan_.scratch_slots));
  return output_size() + input_size() + static_cast<int>(number * slot_length() + element);
}

}  // namespace tutti::test

// The IR: what one rank does in one collective call.
//
// A Plan is a short list of steps in up to four lanes. It knows neither sizes nor pointers nor
// transports, so the same plan is executed, verified, priced, simulated and drawn. Generators
// (algorithms/) emit it through PlanBuilder; everything else only reads it.
//
// The eight rules
//  1. Matching. The k-th send from rank s to rank d on lane l meets the k-th receive of d from s on
//     l. No wildcards and no branch on data: a plan is a marked graph, one execution stands for
//     all.
//  2. A send is a post: it does not wait for the receiver. Each (edge, lane) holds W posts, a
//     further one blocks its lane (proof: W = 1). The source stays read-locked until the receiver
//     is done with it; kDrain waits for that. The proof assumes that the payload is read as late as
//     the drain.
//  3. Peers are map[(a·i + b·j + c) mod m]; i and j are loop variables, the map is the identity or
//     a table of ranks. So a ring is six steps at any size.
//  4. A Ref names chunks of a buffer: chunk k of C begins at ⌊k·count/C⌋. Empty chunks move nothing
//     and still match: the shape of a plan never depends on the size.
//  5. Every lane has its own loop over tiles; all ranks use the same trip count T.
//  6. Operands combine in the order written, the local one included.
//  7. Lanes run concurrently, the steps of one in order; kSignal and kWait count tokens between
//     them.
//  8. A generator emits one rank's plan without the others, in O(log n) or O(1) steps.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "collectives/collective.h"
#include "kernels/reduce.h"

namespace tutti {

inline constexpr int kMaxLanes = 4;

/// a·i + b·j + c, where i is the outer and j the inner round loop (0 outside of them).
struct Expr {
  std::int32_t a = 0, b = 0, c = 0;

  constexpr Expr() = default;
  constexpr Expr(int constant) : c(constant) {}  // NOLINT: ranks and chunk numbers are expressions
  constexpr Expr(std::int32_t i, std::int32_t j, std::int32_t constant) : a(i), b(j), c(constant) {}

  friend constexpr Expr operator+(Expr x, Expr y) { return {x.a + y.a, x.b + y.b, x.c + y.c}; }
  friend constexpr Expr operator-(Expr x, Expr y) { return {x.a - y.a, x.b - y.b, x.c - y.c}; }
  friend constexpr Expr operator*(int k, Expr x) { return {k * x.a, k * x.b, k * x.c}; }
  friend constexpr bool operator==(const Expr&, const Expr&) = default;
};

/// The values of the loop variables at a step: t counts tiles, i and j rounds.
struct LoopVars {
  std::uint32_t t = 0, i = 0, j = 0;
};

/// The expression modulo m, in 0 … m-1.
constexpr std::uint32_t evaluate(Expr e, const LoopVars& v, std::uint32_t m) {
  if (e.a == 0 && e.b == 0 && e.c >= 0 && static_cast<std::uint32_t>(e.c) < m)
    return static_cast<std::uint32_t>(e.c);
  const std::int64_t value = std::int64_t{e.a} * v.i + std::int64_t{e.b} * v.j + e.c;
  const std::int64_t rest = value % std::int64_t{m};
  return static_cast<std::uint32_t>(rest < 0 ? rest + m : rest);
}

/// A rank: maps[map][index mod m]. Map 0 is the identity over all ranks of the communicator.
struct Peer {
  Expr index{};
  std::uint16_t map = 0;
  friend bool operator==(const Peer&, const Peer&) = default;
};

enum class Buffer : std::uint8_t { kInput, kOutput, kScratch };

/// How tiles and chunks nest. kTileMajor: the grid cuts one block; chunk k of tile t begins at
/// ⌊(tC+k)·count/(TC)⌋. kChunkMajor: chunk k is the k-th block of the buffer; tile t of it begins
/// at k·count + ⌊t·count/T⌋, and in scratch it is in the k-th slot after the ref's.
enum class Nesting : std::uint8_t { kTileMajor, kChunkMajor };

struct Grid {
  std::uint32_t chunks = 1;  // C
  Nesting nesting = Nesting::kTileMajor;
  friend bool operator==(const Grid&, const Grid&) = default;
};

/// Chunks of a buffer, sent as one message: `total` chunks in runs of `run`, the runs `stride`
/// apart, beginning at chunk `first`; all modulo the grid's C, in this order.
/// In scratch, `slot` says which of the plan's scratch slots; a slot is as long as a tile and uses
/// the same chunk boundaries, relative to the tile's begin.
struct Ref {
  Buffer buffer = Buffer::kInput;
  std::uint16_t grid = 0;  // index into Plan::grids
  Expr slot{};             // scratch only, modulo the plan's scratch_slots
  Expr first{};
  std::uint32_t run = 1, stride = 1, total = 1;
  friend bool operator==(const Ref&, const Ref&) = default;
};

/// One input of a reduction or move.
struct Operand {
  enum class Kind : std::uint8_t {
    kLocal,  // ref
    kPeer,   // the next message from `peer`
    kPeers,  // the next message from each of maps[map][index … index+count-1], in this order, in
             // which oneself means ref
    kSlots,  // the same members, but each from the scratch slot numbered by its rank (ref's
             // chunks), in which oneself means ref
  };
  Kind kind = Kind::kLocal;
  Ref ref{};
  Peer peer{};
  std::uint32_t count = 1;  // members of kPeers and kSlots

  /// Whether it comes from other ranks, as it is and not by way of scratch.
  bool is_message() const { return kind == Kind::kPeer || kind == Kind::kPeers; }

  /// kSlots: where the member of rank `member`, not oneself, lies.
  Ref slot_of(std::uint32_t member) const {
    Ref r = ref;
    r.buffer = Buffer::kScratch;
    r.slot = Expr(static_cast<int>(member));
    return r;
  }

  friend bool operator==(const Operand&, const Operand&) = default;
};

struct Step {
  enum class Op : std::uint8_t {
    kSend,    // post ref to peer
    kReduce,  // ref = operands combined in order; one operand: a move (recv, copy)
    kScale,   // ref = pre-scale(the one local operand): raw becomes partial
    kDrain,   // wait until all but the newest `lag` sends of lane `lane` to peer are read
    kSignal,  // give a token to lane `lane`
    kWait,    // take a token given by lane `lane`
    kLoop,    // `trips` times, at least once
    kTiles,   // T times
    kEnd,     // of the loop that begins at index `jump`
  };
  Op op = Op::kEnd;
  bool finish = false;  // kReduce: the result is final, so the op's post-scaling happens here
  ReduceShape shape = ReduceShape::kFold;
  std::uint8_t lane = 0;   // kDrain, kSignal, kWait
  std::uint8_t depth = 0;  // kLoop, kEnd: 1 counts i, 2 counts j; 0 counts tiles
  std::uint32_t lag = 0;
  std::uint32_t trips = 0;
  std::uint32_t jump = 0;
  Peer peer{};  // kSend, kDrain
  Ref ref{};
  std::uint32_t operand_begin = 0, operand_count = 0;  // kReduce, kScale: Plan::operands

  friend bool operator==(const Step&, const Step&) = default;
};

/// One rank's plan. Immutable once built; freely shared between threads.
struct Plan {
  std::uint32_t rank = 0, size = 1;
  std::uint32_t input_blocks = 1, output_blocks = 1;  // of `count` elements, on this rank
  std::uint32_t tile_blocks = 1;    // that a tile is a part of, the same on all ranks
  std::uint32_t scratch_slots = 0;  // each as long as a tile of one block
  bool in_order = true;             // operands combine in rank order, as non-commutative ops need
  bool canonical = false;           // and in the tree of reproducible mode
  bool moves_only = false;          // no arithmetic: data is copied (broadcast)
  bool in_place = false;            // input and output are the same memory on this rank
  std::vector<Grid> grids;
  std::vector<std::vector<std::uint32_t>> maps;  // [0] is empty: the identity
  std::vector<Step> steps;                       // lane after lane
  std::vector<Operand> operands;
  std::vector<std::uint32_t> lane_begin;  // lanes + 1 entries: steps of lane l
  std::uint64_t hash = 0;                 // of everything above

  int lanes() const { return static_cast<int>(lane_begin.size()) - 1; }
  std::span<const Operand> operands_of(const Step& s) const {
    return std::span(operands).subspan(s.operand_begin, s.operand_count);
  }
  std::uint32_t rank_of(const Peer& p, const LoopVars& v, std::uint32_t offset = 0) const {
    const std::uint32_t m = p.map == 0 ? size : static_cast<std::uint32_t>(maps[p.map].size());
    const std::uint32_t k = evaluate(p.index + Expr(static_cast<int>(offset)), v, m);
    return p.map == 0 ? k : maps[p.map][k];
  }

  /// In place: the block of the output that is the input's block `block`; none: it is no output.
  std::optional<std::uint32_t> output_of_input(std::uint32_t block) const {
    if (!in_place) return {};
    if (input_blocks == output_blocks) return block;
    if (input_blocks == 1) return rank;
    return block == rank ? std::optional(0u) : std::nullopt;
  }

  friend bool operator==(const Plan&, const Plan&) = default;
};

/// What a generator is told. `rank` and `size` are ints: they enter chunk arithmetic.
struct Shape {
  Collective collective = Collective::kAllReduce;
  int rank = 0;
  int size = 1;
  int root = 0;
  // On this rank input and output are the same buffer; where one of them is a vector and the other
  // a block, the block is the vector's one with this rank's number.
  bool in_place = false;
  bool pre_scaled = false;  // the input must be scaled first
  // Every reduction is balanced, rounded at every node, and generators that have several trees take
  // the canonical one (docs/concepts.md).
  bool reproducible = false;
  int shards = 1;  // parameter_server

  int next() const { return rank + 1; }
  int prev() const { return rank - 1; }
  bool is_root() const { return rank == root; }
  /// Whether the plan's writes to the output destroy what it sends from the input.
  bool overwrites_input() const { return in_place || pre_scaled; }
};

/// Walks one lane of a plan; loops are resolved here and nowhere else.
class LaneCursor {
 public:
  LaneCursor() = default;
  LaneCursor(const Plan& plan, int lane, std::uint32_t trips) { start(plan, lane, trips); }

  /// Goes to the lane's begin.
  void start(const Plan& plan, int lane, std::uint32_t trips);

  /// The step to do now; nullptr at the end. Never a loop step.
  const Step* step() const { return pc_ == end_ ? nullptr : &steps_[pc_]; }
  const LoopVars& vars() const { return vars_; }
  /// The step's index in Plan::steps.
  std::uint32_t index() const { return pc_; }
  void advance() {
    ++pc_;
    if (pc_ != end_ && steps_[pc_].op >= Step::Op::kLoop) settle();
  }

 private:
  void settle();  // runs loop steps until a real step or the end
  std::uint32_t& counter(std::uint8_t depth) {
    return depth == 0 ? vars_.t : depth == 1 ? vars_.i : vars_.j;
  }

  const Step* steps_ = nullptr;
  std::uint32_t pc_ = 0, end_ = 0, trips_ = 1;
  LoopVars vars_;
};

/// Writes a plan. Usage: see algorithms/all_reduce_ring.cpp.
class PlanBuilder {
 public:
  /// `chunks` is the C of the refs made by in(), out() and scratch().
  PlanBuilder(const Shape& shape, int chunks, int scratch_slots = 0);
  /// The chunks of in() and out() are the blocks of the two buffers, those of slots() whole slots.
  static PlanBuilder in_blocks(const Shape& shape, int scratch_slots = 0);

  Ref in(Expr first, int run = 1) const;
  Ref out(Expr first, int run = 1) const { return ref(Buffer::kOutput, out_grid_, first, run); }
  Ref scratch(Expr slot, Expr first, int run = 1) const;
  /// Of a builder in blocks: whole slots, modulo their number.
  Ref slots(Expr first, int run = 1) const { return ref(Buffer::kScratch, slot_grid_, first, run); }
  /// `total` chunks in runs of `run`, the runs `stride` apart, beginning where `first` does.
  static Ref every(Ref first, int run, int stride, int total);
  Ref all_in() const { return in(0, chunks_); }
  Ref all_out() const { return out(0, chunks_); }
  Ref all_scratch(Expr slot) const { return scratch(slot, 0, chunks_); }

  /// No bytes at all: what a message carries that only says "I am here".
  static Ref nothing() { return {Buffer::kInput, 0, {}, 0, 0, 0, 0}; }

  /// A table of ranks: member(table, k) is its k-th rank, modulo its length.
  std::uint16_t table(std::vector<std::uint32_t> ranks);
  static Peer member(std::uint16_t table, Expr index) { return {index, table}; }

  /// An operand: the next message from one rank.
  Operand from(Expr rank) const { return from(Peer{rank, 0}); }
  Operand from(const Peer& peer) const;
  /// Operands of all ranks in rank order; oneself means `own`.
  Operand from_all(const Ref& own) const;
  /// The same, of messages that were received into the scratch slots numbered by rank.
  Operand from_all_slots(const Ref& own) const;
  static Operand local(const Ref& ref) { return {Operand::Kind::kLocal, ref, {}, 1}; }

  void send(Expr to, const Ref& ref) { send(Peer{to, 0}, ref); }
  void send(const Peer& to, const Ref& ref);
  void recv(Expr from, const Ref& to) { recv(Peer{from, 0}, to); }
  void recv(const Peer& from, const Ref& to);
  /// Returns the step, to mark it final.
  Step& copy(const Ref& dst, const Ref& src);
  /// dst = operands combined in order. Returns the step, to mark it final or give it a shape.
  Step& reduce(const Ref& dst, std::initializer_list<Operand> operands);
  void drain(Expr peer, int lane, int lag) { drain(Peer{peer, 0}, lane, lag); }
  void drain(const Peer& peer, int lane, int lag);
  void signal(int lane);
  void wait(int lane);

  void tiles(const std::function<void()>& body);
  void loop(int trips, const std::function<void(Expr)>& body);
  /// A loop over all other ranks. Each rank begins with the one after itself, which spreads the
  /// load.
  void peers(const std::function<void(Expr)>& body);
  /// Steps of `body` go to lane `lane`. Lane 0 is the default.
  void lane(int lane, const std::function<void()>& body);

  /// The operands do not combine in rank order.
  void out_of_order() { plan_.in_order = false; }
  /// The operands combine in the canonical tree, if the shape is to be reproducible.
  void canonical() { plan_.canonical = shape_.reproducible; }
  /// The plan does no arithmetic.
  void moves_only() { plan_.moves_only = true; }

  /// The plan, with the drains that its own writes need and its hash. The builder is spent.
  Plan finish();

 private:
  explicit PlanBuilder(const Shape& shape);
  std::uint16_t add_grid(const Grid& grid);
  static Ref ref(Buffer buffer, std::uint16_t grid, Expr first, int run);
  Step& append(Step step);
  void reserve_slots(int slots);
  bool scales_into_output() const;
  void prescale();
  void prescale_into_output();
  void prescale_into_scratch();
  Step scale_step();

  Shape shape_;
  int chunks_ = 1;
  std::uint16_t in_grid_ = 0, out_grid_ = 0, slot_grid_ = 0;
  std::uint32_t scaled_slot_ = 0;  // where a scaled input lies that the output cannot hold
  int lane_ = 0;
  int depth_ = 0;
  Plan plan_;
  std::vector<Step> lanes_[kMaxLanes];
};

}  // namespace tutti

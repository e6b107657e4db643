#include "tests/brute_force_schedule.h"

#include <algorithm>
#include <map>
#include <random>
#include <tuple>
#include <utility>

namespace tutti::test {
namespace {

enum class Reading { kAtPost, kAtReceive, kAtDrain };

struct Message {
  Addresses memory;
  Reading reading = Reading::kAtReceive;
  std::vector<Value> bytes;  // kAtPost
  std::vector<Value> late;   // kAtDrain: placeholders that the receiver got
  bool bound = false;        // placeholders have their values
};

struct Edge {
  std::vector<Message> messages;
  std::size_t received = 0;
};

struct LaneState {
  const std::vector<Action>* actions = nullptr;
  std::size_t next = 0;
  int tokens[kMaxLanes] = {};
  unsigned priority = 0;
  bool ended() const { return next == actions->size(); }
};

struct RankState {
  std::vector<Value> memory;
  std::vector<LaneState> lanes;
  bool begun = false;
};

class Schedule {
 public:
  Schedule(std::span<const Plan> plans, const BruteForceCase& c, const Program& program,
           Expressions& expressions, std::uint64_t seed)
      : plans_(plans), case_(c), expressions_(expressions), random_(seed), ranks_(plans.size()) {
    for (std::size_t r = 0; r < plans.size(); ++r) {
      RankState& self = ranks_[r];
      const Unroller sizes(plans[r], c.count, c.trips);
      self.memory.assign(static_cast<std::size_t>(sizes.memory_size()), kGarbage);
      for (int e = 0; e < sizes.input_size(); ++e)
        self.memory[static_cast<std::size_t>(sizes.input_address(e))] =
            input(static_cast<int>(r), e);
      for (const auto& actions : program[r])
        self.lanes.push_back(
            {.actions = &actions, .priority = static_cast<unsigned>(random_() % 1024)});
    }
    by_priority_ = random_() % 4 != 0;
  }

  /// The outputs, by rank. Throws Wrong.
  std::vector<std::vector<Value>> run() {
    for (std::size_t r = 0; r < ranks_.size(); ++r) note_end(r);
    while (move_one()) {
      if (random_() % 64 == 0) reshuffle();
    }
    check_end();
    for (auto& [key, edge] : edges_) {
      for (Message& m : edge.messages) bind(std::get<0>(key), m);
    }
    std::vector<std::vector<Value>> outputs;
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      const Unroller sizes(plans_[r], case_.count, case_.trips);
      const auto at = [&](int address) {
        return ranks_[r].memory[static_cast<std::size_t>(address)];
      };
      outputs.emplace_back();
      for (int e = 0; e < sizes.output_size(); ++e) outputs.back().push_back(resolve(at(e), 0));
      for (int e = 0; e < sizes.input_size(); ++e) {
        const Address address = sizes.input_address(e);
        if (address >= sizes.output_size())
          expect_right(at(address) == input(static_cast<int>(r), e), "an input is overwritten");
      }
    }
    return outputs;
  }

 private:
  using EdgeKey = std::tuple<int, int, int>;  // from, to, lane

  Value input(int rank, int element) { return expressions_.of({kInput, rank, element}); }

  // Lets one lane that can move do so: a random one, or that of the highest priority.
  bool move_one() {
    std::vector<std::pair<int, int>> able;
    for (int r = 0; r < static_cast<int>(ranks_.size()); ++r) {
      for (int l = 0; l < static_cast<int>(rank(r).lanes.size()); ++l) {
        if (can_move(r, l)) able.emplace_back(r, l);
      }
    }
    if (able.empty()) return false;
    auto chosen = able[random_() % able.size()];
    if (by_priority_) {
      const auto priority = [&](const auto& x) { return lane(x.first, x.second).priority; };
      chosen = *std::ranges::max_element(able, {}, priority);
    }
    const auto [r, l] = chosen;
    rank(r).begun = true;
    act(r, l, (*lane(r, l).actions)[lane(r, l).next]);
    ++lane(r, l).next;
    note_end(static_cast<std::size_t>(r));
    return true;
  }

  void reshuffle() {
    const auto r = static_cast<int>(random_() % ranks_.size());
    for (LaneState& l : rank(r).lanes) l.priority = static_cast<unsigned>(random_() % 1024);
  }

  // In a barrier nobody ends before all have begun.
  void note_end(std::size_t r) {
    if (case_.collective != Collective::kBarrier || ranks_.size() == 1) return;
    for (const LaneState& l : ranks_[r].lanes) {
      if (!l.ended()) return;
    }
    for (const RankState& other : ranks_)
      expect_right(other.begun, "the barrier is left too early");
  }

  bool can_move(int r, int l) {
    LaneState& self = lane(r, l);
    if (self.ended()) return false;
    const Action& a = (*self.actions)[self.next];
    switch (a.op) {
      case Step::Op::kSend: {
        const Edge& e = edge(r, a.peer, l);
        return e.messages.size() == e.received;
      }
      case Step::Op::kDrain: {
        const Edge& e = edge(r, a.peer, a.lane);
        return e.received + a.lag >= e.messages.size();
      }
      case Step::Op::kWait:
        return self.tokens[a.lane] > 0;
      case Step::Op::kReduce:
        return messages_there(r, l, a);
      default:
        return true;
    }
  }

  bool messages_there(int r, int l, const Action& a) {
    std::map<int, std::size_t> wanted;
    for (const Input& i : a.inputs) {
      if (i.from >= 0) ++wanted[i.from];
    }
    return std::ranges::all_of(wanted, [&](const auto& w) {
      const Edge& e = edge(w.first, r, l);
      return e.messages.size() - e.received >= w.second;
    });
  }

  void act(int r, int l, const Action& a) {
    switch (a.op) {
      case Step::Op::kSend:
        return send(r, l, a);
      case Step::Op::kDrain:
        return drain(r, a);
      case Step::Op::kSignal:
        ++lane(r, a.lane).tokens[l];
        return;
      case Step::Op::kWait:
        --lane(r, l).tokens[a.lane];
        return;
      default:
        return reduce(r, l, a);
    }
  }

  void send(int r, int l, const Action& a) {
    expect_right(a.peer != r, "a rank sends to itself");
    Message m{.memory = a.memory, .bytes = {}, .late = {}};
    m.reading = static_cast<Reading>(random_() % 3);
    if (m.reading == Reading::kAtPost) m.bytes = contents(r, a.memory);
    edge(r, a.peer, l).messages.push_back(std::move(m));
  }

  void drain(int r, const Action& a) {
    Edge& e = edge(r, a.peer, a.lane);
    for (std::size_t k = 0; k + a.lag < e.messages.size(); ++k) bind(r, e.messages[k]);
  }

  // The last moment at which the bytes may be read.
  void bind(int sender, Message& m) {
    if (m.reading != Reading::kAtDrain || m.bound) return;
    m.bound = true;
    const std::vector<Value> now = contents(sender, m.memory);
    for (std::size_t k = 0; k < m.late.size(); ++k)
      late_[static_cast<std::size_t>(expressions_.content(m.late[k])[1])] = now[k];
  }

  std::vector<Value> receive(int from, int r, int l) {
    expect_right(from != r, "a rank receives from itself");
    Edge& e = edge(from, r, l);
    Message& m = e.messages[e.received++];
    if (m.reading == Reading::kAtPost) return m.bytes;
    if (m.reading == Reading::kAtReceive) return contents(from, m.memory);
    for (std::size_t k = 0; k < m.memory.size(); ++k) {
      m.late.push_back(expressions_.of({kLate, static_cast<int>(late_.size())}));
      late_.push_back(-1);
    }
    return m.late;
  }

  void reduce(int r, int l, const Action& a) {
    std::vector<std::vector<Value>> sources;
    for (const Input& i : a.inputs) {
      if (i.from < 0) check_overlap(i.local, a.memory);
      sources.push_back(i.from < 0 ? contents(r, i.local) : receive(i.from, r, l));
      expect_right(sources.back().size() == a.memory.size(), "sizes differ");
    }
    std::vector<Value> results;
    for (std::size_t e = 0; e < a.memory.size(); ++e) results.push_back(combine(r, a, sources, e));
    for (std::size_t e = 0; e < a.memory.size(); ++e)
      rank(r).memory[static_cast<std::size_t>(a.memory[e])] = results[e];
  }

  static void check_overlap(const Addresses& operand, const Addresses& result) {
    if (operand == result) return;
    for (const Address x : operand)
      expect_right(std::ranges::find(result, x) == result.end(), "an operand overlaps the result");
  }

  Value combine(int r, const Action& a, const std::vector<std::vector<Value>>& sources,
                std::size_t e) {
    std::vector<Value> operands;
    for (const auto& s : sources) operands.push_back(s[e]);
    Value v = operands[0];
    if (operands.size() > 1 && a.balanced) {
      v = balanced(operands);
    } else if (operands.size() > 1) {
      std::vector<int> content = {kFold};
      content.insert(content.end(), operands.begin(), operands.end());
      v = expressions_.of(content);
    }
    if (a.op == Step::Op::kScale) v = expressions_.of({kScaled, r, v});
    return a.finish ? expressions_.of({kFinished, v}) : v;
  }

  // Pairs of neighbours until a power of two is left, then pairs of pairs. Two operands are a fold.
  Value balanced(std::vector<Value> level) {
    std::size_t leaves = 1;
    while (leaves * 2 <= level.size()) leaves *= 2;
    const std::size_t pairs = level.size() - leaves;
    for (std::size_t p = 0; p < pairs; ++p) {
      level[p] = expressions_.of({kFold, level[p], level[p + 1]});
      level.erase(level.begin() + static_cast<long>(p) + 1);
    }
    while (level.size() > 1) {
      std::vector<Value> up;
      for (std::size_t k = 0; k < level.size(); k += 2)
        up.push_back(expressions_.of({kFold, level[k], level[k + 1]}));
      level = up;
    }
    return level[0];
  }

  void check_end() {
    for (const RankState& r : ranks_) {
      for (const LaneState& l : r.lanes) {
        expect_right(l.ended(), "deadlock");
        for (const int tokens : l.tokens) expect_right(tokens == 0, "a token is left");
      }
    }
    for (const auto& [key, edge] : edges_)
      expect_right(edge.received == edge.messages.size(), "a message is left");
  }

  // The expression with all that was read late in its place. What depends on itself is garbage.
  Value resolve(Value v, int depth) {
    const std::vector<int> content = expressions_.content(v);
    if (content[0] == kGarbage || content[0] == kInput) return v;
    if (depth > 4096) return kGarbage;
    if (content[0] == kLate) {
      const auto k = static_cast<std::size_t>(content[1]);
      const Value target = std::exchange(late_[k], Value{kGarbage});
      return late_[k] = target < 0 ? Value{kGarbage} : resolve(target, depth + 1);
    }
    std::vector<int> resolved = content;
    const std::size_t first = content[0] == kScaled ? 2 : 1;
    for (std::size_t k = first; k < resolved.size(); ++k)
      resolved[k] = resolve(resolved[k], depth + 1);
    return expressions_.of(resolved);
  }

  std::vector<Value> contents(int r, const Addresses& memory) {
    std::vector<Value> values;
    for (const Address a : memory) values.push_back(rank(r).memory[static_cast<std::size_t>(a)]);
    return values;
  }
  RankState& rank(int r) { return ranks_[static_cast<std::size_t>(r)]; }
  LaneState& lane(int r, int l) { return rank(r).lanes[static_cast<std::size_t>(l)]; }
  Edge& edge(int from, int to, int l) { return edges_[{from, to, l}]; }

  const std::span<const Plan> plans_;
  const BruteForceCase& case_;
  Expressions& expressions_;
  std::mt19937_64 random_;
  std::vector<RankState> ranks_;
  std::map<EdgeKey, Edge> edges_;
  std::vector<Value> late_;  // what placeholder k stands for; -1: not read yet
  bool by_priority_ = true;
};

}  // namespace

std::vector<std::vector<Value>> run_schedule(std::span<const Plan> plans, const BruteForceCase& c,
                                             const Program& program, Expressions& expressions,
                                             std::uint64_t seed) {
  return Schedule(plans, c, program, expressions, seed).run();
}

}  // namespace tutti::test

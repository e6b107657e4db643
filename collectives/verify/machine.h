// Follows the plans of all ranks until they end or nothing can move.
//
// Every edge has room for one post, a receive takes all its messages at once, and the bytes of a
// message are read in the sender's memory when they are received, never earlier.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "collectives/plan.h"
#include "collectives/verify.h"
#include "collectives/verify/atoms.h"
#include "collectives/verify/memory.h"

namespace tutti::proof {

class Machine {
 public:
  Machine(std::span<const Plan> plans, const Claim& claim, const Atoms& atoms);

  /// Throws BrokenRule at the first broken rule; at the end nothing is under way any more.
  void run();

  const Memory& memory(std::size_t rank) const { return ranks_[rank].memory; }
  std::uint64_t messages() const { return messages_; }

 private:
  // A send: its step, and its cells, where they are neighbours. (Else the step says them again: it
  // lies in memory that is cold by then.)
  struct Message {
    std::uint32_t step = 0;
    LoopVars vars;
    CellRun cells{};
  };
  // One direction between two ranks on one lane.
  struct Edge {
    std::uint32_t to = 0;
    std::uint8_t lane = 0;
    std::uint8_t foreign_lane = 0;       // the latest drain by another lane than `lane`,
    std::uint32_t foreign_at = 0;        // and when
    std::uint32_t sent_at = 0;           // when lane `lane` sent last
    std::uint32_t sent = 0, read = 0;    // messages
    Message under_way{};                 // the one that is sent and not read
    std::uint32_t first_loan = 0;        // number of loans[0]
    std::vector<Message> loans{};        // those that some lane does not know to be read
    std::vector<std::uint64_t> begun{};  // barrier: what the sender knew
  };
  struct Token {
    Knowledge known;
  };
  struct Lane {
    LaneCursor at;
    std::uint32_t operand = 0, member = 0;  // messages of the present step up to here have come
    std::deque<Token> tokens[kMaxLanes];    // by the lane that gave them
  };
  struct Rank {
    const Plan* plan;
    Memory memory;
    std::vector<Lane> lanes;
    std::vector<Edge> edges;
    bool drains = false;  // it has steps that end loans
    bool queued = false;
  };
  // What a blocked lane waits for: another lane, here or elsewhere.
  struct Wait {
    std::uint32_t rank;
    int lane;
    std::string why;
  };

  Rank& rank(std::uint32_t r) { return ranks_[r]; }
  Edge& edge(std::uint32_t from, std::uint32_t to, int lane);
  void wake(std::uint32_t rank);
  bool move(std::uint32_t rank, int lane);
  bool step(Rank& self, int lane);

  bool send(Rank& self, int lane);
  bool reduce(Rank& self, int lane);
  bool drain(Rank& self, int lane);
  bool signal(Rank& self, int lane);
  bool wait(Rank& self, int lane);

  bool all_there(Rank& self, int lane);
  void gather(Rank& self, int lane);
  void receive(Rank& self, std::uint32_t from, int lane);
  void cells_of(const Rank& sender, const Message& message, std::vector<Cell>& cells) const;
  void take_local(Rank& self, int lane, const Ref& ref);
  void combine_into(Rank& self, int lane);
  void drained(Rank& self, int lane, std::uint32_t edge, std::uint32_t count);
  void learn(Rank& self, int lane, const Knowledge& known);

  void check_ended();
  Wait wait_of(Rank& self, int lane);
  [[noreturn]] void fail_deadlock(std::uint32_t rank, int lane);
  [[noreturn]] void fail(const Rank& self, int lane, const std::string& rule) const;
  std::string name_of(const Rank& self, int lane) const;
  std::string element_name(const Rank& self, int lane, Cell cell) const;

  struct Source {
    const Memory* memory;
    std::size_t begin, end;  // in cells_
  };

  const Claim claim_;
  const std::size_t size_;
  std::size_t lanes_ = 1;  // of the plan that has most
  std::vector<Rank> ranks_;
  // (from, to, lane) to the number in from's edges, plus 1.
  std::vector<std::uint32_t> edge_numbers_;
  std::deque<std::uint32_t> queue_;
  std::uint64_t messages_ = 0;

  // Of the step that is being done.
  std::vector<Cell> target_, cells_, loan_;
  std::vector<Source> sources_;
  std::vector<Value> operands_, results_;
};

}  // namespace tutti::proof

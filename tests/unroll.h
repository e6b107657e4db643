// Plans with their loops carried out, in terms of addresses: the first half of the brute-force
// judge.
#pragma once

#include <stdexcept>
#include <vector>

#include "collectives/plan.h"

namespace tutti::test {

using Address = int;  // in a rank's memory: output, input (what is not in place), scratch
using Addresses = std::vector<Address>;

/// The plans do something wrong; what() says what.
struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void expect_right(bool holds, const char* text) {
  if (!holds) throw Wrong(text);
}

// One operand: memory of this rank, or the next message from a rank.
struct Input {
  int from = -1;  // -1: local
  Addresses local;
};

struct Action {
  Step::Op op = Step::Op::kEnd;
  int peer = 0, lane = 0;
  unsigned lag = 0;
  bool finish = false, balanced = false;
  Addresses memory;  // sent, or written
  std::vector<Input> inputs;
};

class Unroller {
 public:
  Unroller(const Plan& plan, std::size_t count, unsigned trips);

  int memory_size() const;
  int output_size() const { return static_cast<int>(plan_.output_blocks * count_); }
  int input_size() const { return static_cast<int>(plan_.input_blocks * count_); }
  /// Where an element of the input is.
  Address input_address(int element) const {
    return in_buffer(Buffer::kInput, element / count_, element % count_);
  }
  std::vector<Action> lane(std::size_t l);

 private:
  int slot_length() const { return static_cast<int>((count_ + trips_ - 1) / trips_); }
  void block(unsigned begin, unsigned end);
  void one(const Step& s);
  void add_inputs(const Operand& o, std::vector<Input>& inputs);
  long value(const Expr& e) const { return e.a * i_ + e.b * j_ + e.c; }
  int rank(const Peer& p, unsigned member) const;
  Addresses addresses(const Ref& ref) const;
  Address in_buffer(Buffer buffer, long block, long element) const;
  Address in_slot(long slot, long element) const;

  const Plan& plan_;
  const long count_;
  const unsigned trips_;
  long tile_ = 0, i_ = 0, j_ = 0;
  std::vector<Action> actions_;
};

}  // namespace tutti::test

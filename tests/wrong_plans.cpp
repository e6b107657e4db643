#include "tests/wrong_plans.h"

#include <functional>
#include <utility>

#include "collectives/algorithms/generators.h"
#include "tests/mutants.h"

namespace tutti::test {
namespace {

constexpr bool kInPlace = true;
using Emit = std::function<void(PlanBuilder&, const Shape&)>;

// The plans of `size` ranks that all do the same with `chunks` chunks and some scratch slots.
std::vector<Plan> world(int size, int chunks, int slots, const Emit& emit, bool in_place = false,
                        Collective collective = Collective::kAllReduce) {
  std::vector<Plan> plans;
  for (int r = 0; r < size; ++r) {
    const Shape shape{.collective = collective, .rank = r, .size = size, .in_place = in_place};
    PlanBuilder b(shape, chunks, slots);
    emit(b, shape);
    plans.push_back(b.finish());
  }
  return plans;
}

std::vector<Plan> generated(Plan (*generate)(const Shape&), int size, bool in_place = false,
                            Collective collective = Collective::kAllReduce) {
  std::vector<Plan> plans;
  for (int r = 0; r < size; ++r)
    plans.push_back(
        generate({.collective = collective, .rank = r, .size = size, .in_place = in_place}));
  return plans;
}

// The first step of the kind, from `from` on.
std::uint32_t find(const Plan& plan, Step::Op op, std::uint32_t from = 0) {
  while (plan.steps[from].op != op) ++from;
  return from;
}

Claim all_reduce(std::size_t count, std::uint32_t trips = 2) {
  return {.collective = Collective::kAllReduce, .count = count, .trips = trips};
}

// ---- Races
// ----------------------------------------------------------------------------------------

// Two-shot of people who forget that the chunks are lent until the owners have read them. (In the
// order of the sends the missing drains would be inserted.)
void two_shot_without_drains(PlanBuilder& b, const Shape& s) {
  const Expr own = s.rank;
  b.peers([&](Expr p) { b.send(p, b.in(p)); });
  b.reduce(b.out(own), {b.from_all(b.in(own))}).finish = true;
  b.peers([&](Expr p) { b.send(p, b.out(own)); });
  b.loop(s.size - 1, [&](Expr i) { b.recv(own - 1 - i, b.out(own - 1 - i)); });
}

// One-shot in place, straight into what the others are reading.
void one_shot_over_its_input(PlanBuilder& b, const Shape&) {
  b.tiles([&] {
    b.peers([&](Expr p) { b.send(p, b.all_in()); });
    b.reduce(b.all_out(), {b.from_all(b.all_in())}).finish = true;
  });
}

// A lane that hands the result on without waiting for the one that computes it.
void lanes_without_tokens(PlanBuilder& b, const Shape& s) {
  b.send(s.next(), b.all_in());
  b.reduce(b.all_scratch(0), {b.from_all(b.all_in())}).finish = true;
  b.lane(1, [&] { b.copy(b.all_out(), b.all_scratch(0)); });
}

// The result is computed in one lane while the other still reads the slot for the tile before.
void slot_reused_too_early(PlanBuilder& b, const Shape& s) {
  b.tiles([&] {
    b.send(s.next(), b.all_in());
    b.reduce(b.all_scratch(0), {b.from_all(b.all_in())}).finish = true;
    b.signal(1);
  });
  b.lane(1, [&] {
    b.tiles([&] {
      b.wait(0);
      b.copy(b.all_out(), b.all_scratch(0));
    });
  });
}

// A lane drains the sends of another without knowing how many there are by now.
void drain_of_a_running_lane(PlanBuilder& b, const Shape& s) {
  b.send(s.next(), b.all_in());
  b.reduce(b.all_out(), {b.from_all(b.all_in())}).finish = true;
  b.lane(1, [&] { b.drain(s.next(), 0, 0); });
}

// ---- Deadlocks
// ------------------------------------------------------------------------------------

void receive_before_send(PlanBuilder& b, const Shape& s) {
  b.recv(s.prev(), b.all_scratch(0));
  b.send(s.next(), b.all_in());
}

// Both partners wait for the other to read what the result replaces.
void swap_in_one_slot(PlanBuilder& b, const Shape& s) {
  b.copy(b.all_scratch(0), b.all_in());
  b.send(s.next(), b.all_scratch(0));
  b.reduce(b.all_scratch(0), {b.local(b.all_scratch(0)), b.from(s.prev())});
  b.copy(b.all_out(), b.all_scratch(0)).finish = true;
}

void tokens_in_a_circle(PlanBuilder& b, const Shape&) {
  b.wait(1);
  b.signal(1);
  b.lane(1, [&] {
    b.wait(0);
    b.signal(0);
  });
}

// Four messages before anyone receives: room for one is all that may be counted on.
void sends_without_receives_between(PlanBuilder& b, const Shape& s) {
  b.loop(4, [&](Expr i) { b.send(s.next(), b.in(i)); });
  b.loop(4, [&](Expr i) { b.recv(s.prev(), b.out(i)); });
}

// ---- Wrong sums
// -----------------------------------------------------------------------------------

void own_input_twice(PlanBuilder& b, const Shape&) {
  b.peers([&](Expr p) { b.send(p, b.all_in()); });
  b.reduce(b.all_out(), {b.from_all(b.all_in()), b.local(b.all_in())}).finish = true;
}

void one_slot_for_all(PlanBuilder& b, const Shape&) {
  b.peers([&](Expr p) { b.send(p, b.all_in()); });
  b.peers([&](Expr p) { b.recv(p, b.all_scratch(0)); });
  b.reduce(b.all_out(), {b.local(b.all_in()), b.local(b.all_scratch(0))}).finish = true;
}

void ring(PlanBuilder& b, const Shape& s, int first, int rounds, bool finish_again) {
  const Expr r = s.rank;
  b.out_of_order();
  b.send(s.next(), b.in(r));
  b.loop(s.size - 2, [&](Expr i) {
    b.reduce(b.out(r - 1 - i), {b.from(s.prev()), b.local(b.in(r - first - i))});
    b.send(s.next(), b.out(r - 1 - i));
  });
  b.reduce(b.out(r + 1), {b.from(s.prev()), b.local(b.in(r + 1))}).finish = true;
  b.send(s.next(), b.out(r + 1));
  b.loop(rounds, [&](Expr i) {
    b.recv(s.prev(), b.out(r - i));
    b.send(s.next(), b.out(r - i));
  });
  b.reduce(b.out(r + 2), {b.from(s.prev())}).finish = finish_again;
}

void one_shot_unfinished(PlanBuilder& b, const Shape&) {
  b.peers([&](Expr p) { b.send(p, b.all_in()); });
  b.reduce(b.all_out(), {b.from_all(b.all_in())});
}

// "My part first" is the same sum, but not the same bits.
void own_input_first(PlanBuilder& b, const Shape& s) {
  b.out_of_order();
  b.send(s.next(), b.all_in());
  b.reduce(b.all_out(), {b.local(b.all_in()), b.from(s.next())}).finish = true;
}

void ring_labelled_in_order(PlanBuilder& b, const Shape& s) {
  b.send(s.next(), b.in(s.rank));
  b.reduce(b.out(s.rank + 1), {b.from(s.prev()), b.local(b.in(s.rank + 1))}).finish = true;
  b.send(s.next(), b.out(s.rank + 1));
  b.recv(s.prev(), b.out(s.rank));
}

void scratch_before_it_is_filled(PlanBuilder& b, const Shape& s) {
  b.send(s.next(), b.all_scratch(0));
  b.recv(s.prev(), b.all_scratch(0));
}

void whole_vector_into_one_chunk(PlanBuilder& b, const Shape& s) {
  b.send(s.next(), b.all_in());
  b.recv(s.prev(), b.out(0));
}

void into_the_input(PlanBuilder& b, const Shape&) {
  b.peers([&](Expr p) { b.send(p, b.all_in()); });
  b.reduce(b.all_in(), {b.from_all(b.all_in())}).finish = true;
}

void barrier_of_one_round(PlanBuilder& b, const Shape& s) {
  b.moves_only();
  b.send(s.next(), b.nothing());
  b.recv(s.prev(), b.nothing());
}

// ---- Worlds in which one rank errs
// ----------------------------------------------------------------

std::vector<Plan> one_round_less_on_rank_1() {
  std::vector<Plan> plans = generated(all_reduce_ring, 4);
  --plans[1].steps[find(plans[1], Step::Op::kLoop)].trips;
  plans[1] = rehashed(std::move(plans[1]));
  return plans;
}

std::vector<Plan> operands_swapped_on_rank_2() {
  std::vector<Plan> plans = generated(all_reduce_recursive_doubling, 4);
  const std::uint32_t first = find(plans[2], Step::Op::kReduce);
  const Step& sum = plans[2].steps[find(plans[2], Step::Op::kReduce, first + 1)];
  std::swap(plans[2].operands[sum.operand_begin], plans[2].operands[sum.operand_begin + 1]);
  plans[2] = rehashed(std::move(plans[2]));
  return plans;
}

std::vector<Plan> child_forgotten_by_rank_0() {
  std::vector<Plan> plans = generated(broadcast_binomial, 4, false, Collective::kBroadcast);
  const std::uint32_t first = find(plans[0], Step::Op::kSend);
  plans[0] = without_step(plans[0], find(plans[0], Step::Op::kSend, first + 1));
  return plans;
}

std::vector<Plan> one_send_too_many() {
  std::vector<Plan> plans = generated(all_reduce_one_shot, 3);
  Step send = plans[0].steps[find(plans[0], Step::Op::kSend)];
  send.peer.index = 1;
  plans[0] = with_step(plans[0], static_cast<std::uint32_t>(plans[0].steps.size()), send);
  return plans;
}

std::vector<Plan> token_too_many() {
  std::vector<Plan> plans = generated(all_reduce_double_binary_tree, 4);
  const std::uint32_t at = plans[1].lane_begin[1] - 1;  // the last signal of the lane up
  plans[1] = with_step(plans[1], at, plans[1].steps[at]);
  return plans;
}

std::vector<Plan> tree_without_its_drains() {
  std::vector<Plan> plans = generated(all_reduce_double_binary_tree, 4, kInPlace);
  for (Plan& p : plans) {
    for (std::uint32_t k = 0; k < p.steps.size();) {
      if (p.steps[k].op == Step::Op::kDrain) {
        p = without_step(p, k);
      } else {
        ++k;
      }
    }
  }
  return plans;
}

std::vector<Plan> scaling_left_out_on_rank_1() {
  std::vector<Plan> plans;
  for (int r = 0; r < 3; ++r)
    plans.push_back(
        all_reduce_one_shot({.rank = r, .size = 3, .in_place = r == 1, .pre_scaled = r != 1}));
  return plans;
}

std::vector<Plan> scaled_twice() {
  std::vector<Plan> plans;
  for (int r = 0; r < 2; ++r)
    plans.push_back(
        all_reduce_one_shot({.rank = r, .size = 2, .in_place = true, .pre_scaled = true}));
  const std::uint32_t at = find(plans[0], Step::Op::kScale);
  plans[0] = with_step(plans[0], at, plans[0].steps[at]);
  return plans;
}

std::vector<Plan> more_scratch_on_rank_1() {
  std::vector<Plan> plans = generated(all_reduce_one_shot, 2);
  plans[1].scratch_slots = 2;
  plans[1] = rehashed(std::move(plans[1]));
  return plans;
}

Claim broadcast(int root) {
  return {.collective = Collective::kBroadcast, .root = root, .count = 5, .trips = 2};
}

void add_races(std::vector<WrongPlan>& all) {
  all.push_back({"two-shot in place without drains",
                 world(3, 3, 0, two_shot_without_drains, kInPlace), all_reduce(7, 1),
                 "still be reading (no drain)"});
  all.push_back({"one-shot straight over its input",
                 world(3, 1, 0, one_shot_over_its_input, kInPlace), all_reduce(7),
                 "still be reading (no drain)"});
  all.push_back({"a double tree in place without drains", tree_without_its_drains(), all_reduce(7),
                 "still be reading (no drain)"});
  all.push_back({"a lane that waits for nobody", world(2, 1, 1, lanes_without_tokens),
                 all_reduce(7, 1), "never written"});
  all.push_back({"a slot reused for the next tile too early", world(2, 1, 1, slot_reused_too_early),
                 all_reduce(7), "no token orders them"});
  all.push_back({"a drain of a lane that is still sending", world(2, 1, 0, drain_of_a_running_lane),
                 all_reduce(7, 1), "races with another lane's", false});
}

void add_deadlocks(std::vector<WrongPlan>& all) {
  all.push_back({"everyone receives before sending", world(3, 1, 1, receive_before_send),
                 all_reduce(7, 1), "a cycle"});
  all.push_back({"partners swap sums within one slot", world(2, 1, 1, swap_in_one_slot),
                 all_reduce(7, 1), "deadlock"});
  all.push_back({"lanes wait for each other's token", world(2, 1, 0, tokens_in_a_circle),
                 all_reduce(7, 1), "a cycle"});
  all.push_back({"four sends where one has room", world(2, 4, 0, sends_without_receives_between),
                 all_reduce(7, 1), "a cycle"});
  all.push_back({"one rank goes one round less", one_round_less_on_rank_1(), all_reduce(7),
                 "combines element"});
  all.push_back({"a child of the broadcast's tree is forgotten", child_forgotten_by_rank_0(),
                 broadcast(0), "waits for a message of rank 0, at its end"});
  all.push_back({"a send too many", one_send_too_many(), all_reduce(7, 1), "is never received"});
  all.push_back({"a token too many", token_too_many(), all_reduce(7), "are never taken"});
}

void add_sums(std::vector<WrongPlan>& all) {
  all.push_back({"one's own input twice", world(3, 1, 0, own_input_twice), all_reduce(7, 1),
                 "holds rank 0's input twice"});
  all.push_back({"one slot for all messages", world(3, 1, 1, one_slot_for_all), all_reduce(7, 1),
                 "lacks rank "});
  all.push_back({"a ring that is off by one chunk",
                 world(4, 4, 0, [](auto& b, auto& s) { ring(b, s, 2, s.size - 2, false); }),
                 all_reduce(7, 1), "takes "});
  all.push_back({"a ring whose sums go round one rank less",
                 world(4, 4, 0, [](auto& b, auto& s) { ring(b, s, 1, s.size - 3, false); }),
                 all_reduce(8, 1), "element"});
  all.push_back({"a ring that divides twice",
                 world(4, 4, 0, [](auto& b, auto& s) { ring(b, s, 1, s.size - 2, true); }),
                 all_reduce(7, 1), "final already"});
  all.push_back(
      {"nobody divides", world(3, 1, 0, one_shot_unfinished), all_reduce(7, 1), "never finished"});
  all.push_back({"one's own input first", world(2, 1, 0, own_input_first), all_reduce(7, 1),
                 "other bits than on rank 0"});
  all.push_back({"operands swapped on one rank", operands_swapped_on_rank_2(), all_reduce(7),
                 "other bits than on rank 0"});
  all.push_back({"a ring that claims rank order", world(2, 2, 0, ring_labelled_in_order),
                 all_reduce(7, 1), "not combined in rank order"});
  all.push_back({"scratch sent before it is filled", world(2, 1, 1, scratch_before_it_is_filled),
                 all_reduce(7, 1), "never written"});
  all.push_back({"a vector received into a chunk", world(2, 2, 0, whole_vector_into_one_chunk),
                 all_reduce(8, 1), "takes 4 elements and is given 8"});
  all.push_back({"the input as a place for the sum", world(2, 1, 0, into_the_input),
                 all_reduce(7, 1), "writes the input"});
}

void add_claims(std::vector<WrongPlan>& all) {
  Claim scaled = all_reduce(7);
  scaled.pre_scaled = true;
  all.push_back({"one rank does not scale its input", scaling_left_out_on_rank_1(), scaled,
                 "not scaled first"});
  all.push_back({"an input scaled twice", scaled_twice(), scaled, "scaled already"});
  all.push_back({"a broadcast from the wrong root",
                 generated(broadcast_binomial, 3, false, Collective::kBroadcast), broadcast(1),
                 "other blocks than the collective's"});
  all.push_back({"a barrier of one round",
                 world(4, 1, 0, barrier_of_one_round, false, Collective::kBarrier),
                 {.collective = Collective::kBarrier},
                 "may leave the barrier before rank"});
  all.push_back({"more scratch on one rank", more_scratch_on_rank_1(), all_reduce(7),
                 "so the trip counts would", false});
}

}  // namespace

std::vector<WrongPlan> wrong_plans() {
  std::vector<WrongPlan> all;
  add_races(all);
  add_deadlocks(all);
  add_sums(all);
  add_claims(all);
  return all;
}

}  // namespace tutti::test

// The pass plays a lane through for one and for three tiles (what repeats from tile to tile has
// shown itself by then) on a vector so long that every chunk boundary is exact, remembers which
// sends still lend which positions, and notes at each write how many sends later than the lent one
// the same peer has been sent: the lag. The strictest lag seen is the drain's. Scratch is compared
// by whole slots: the chunks of two tiles need not begin at the same places in them.
#include "collectives/drains.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "collectives/geometry.h"

namespace tutti {
namespace {

struct Drain {
  Peer peer;
  std::uint32_t lag;
};
using Drains = std::map<std::uint32_t, std::vector<Drain>>;  // by the step that they come before

bool same(const Peer& x, const Peer& y) { return x.index == y.index && x.map == y.map; }

// The shortest block, per tile, in which every chunk of every grid is whole elements.
std::size_t exact_count(const Plan& plan) {
  std::size_t count = 1;
  for (const Grid& g : plan.grids) {
    if (g.nesting == Nesting::kTileMajor) count = std::lcm(count, std::size_t{g.chunks});
  }
  return count;
}

// By step: how many round loops stand around it.
std::vector<std::uint8_t> depths_of(const Plan& plan) {
  std::vector<std::uint8_t> depths;
  std::uint8_t depth = 0;
  for (const Step& s : plan.steps) {
    if (s.op == Step::Op::kLoop) depth = s.depth;
    if (s.op == Step::Op::kEnd && s.depth > 0) depth = static_cast<std::uint8_t>(s.depth - 1);
    depths.push_back(depth);
  }
  return depths;
}

class LaneWalk {
 public:
  LaneWalk(const Plan& plan, int lane, std::uint32_t trips, Drains& found)
      : plan_(plan),
        lane_(lane),
        trips_(trips),
        block_(exact_count(plan) * trips),
        geometry_(plan, block_, trips),
        depths_(depths_of(plan)),
        edges_(plan.size),
        lent_(plan.output_blocks * block_),
        lent_slots_(plan.scratch_slots),
        found_(found) {}

  void run() {
    for (LaneCursor at(plan_, lane_, trips_); at.step() != nullptr; at.advance()) {
      const Step& s = *at.step();
      switch (s.op) {
        case Step::Op::kSend:
          lend(at);
          break;
        case Step::Op::kDrain:
          drain(at);
          break;
        case Step::Op::kReduce:
        case Step::Op::kScale:
          write(at);
          break;
        default:
          break;
      }
    }
  }

 private:
  struct Edge {
    std::uint32_t sent = 0, drained = 0;
  };
  struct Send {
    std::uint32_t step, to, number;  // the number-th send to `to`, from 0
  };

  // Calls visit(list) for the lists of sends that lend what `ref` names.
  template <typename Visit>
  void for_each_list(const Ref& ref, const LoopVars& v, Visit visit) {
    geometry_.for_each_range(ref, v, [&](Range r) {
      if (ref.buffer == Buffer::kScratch) {
        visit(lent_slots_[r.begin / geometry_.slot_stride()]);
        return;
      }
      for (std::size_t e = r.begin; e < r.begin + r.count; ++e) {
        if (const auto position = output_position(ref.buffer, e)) visit(lent_[*position]);
      }
    });
  }

  // Where an element of a buffer lies in the output; none: elsewhere, where nothing is written.
  std::optional<std::size_t> output_position(Buffer buffer, std::size_t element) const {
    if (buffer == Buffer::kOutput) return element;
    const auto block = plan_.output_of_input(static_cast<std::uint32_t>(element / block_));
    return block ? std::optional(*block * block_ + element % block_) : std::nullopt;
  }

  void lend(const LaneCursor& at) {
    const Step& s = *at.step();
    const std::uint32_t to = plan_.rank_of(s.peer, at.vars());
    const Send send{at.index(), to, edges_[to].sent++};
    for_each_list(s.ref, at.vars(), [&](std::vector<Send>& list) { list.push_back(send); });
  }

  void drain(const LaneCursor& at) {
    if (at.step()->lane != lane_) return;
    Edge& edge = edges_[plan_.rank_of(at.step()->peer, at.vars())];
    if (edge.sent > at.step()->lag)
      edge.drained = std::max(edge.drained, edge.sent - at.step()->lag);
  }

  void write(const LaneCursor& at) {
    for_each_list(at.step()->ref, at.vars(), [&](std::vector<Send>& list) {
      std::erase_if(list, [&](const Send& send) { return settle(send, at); });
    });
  }

  // Whether the send is drained before the step, noting the drain that it takes.
  bool settle(const Send& send, const LaneCursor& at) {
    Edge& edge = edges_[send.to];
    if (send.number < edge.drained) return true;
    const Peer& peer = plan_.steps[send.step].peer;
    const bool loops = (peer.index.a == 0 || depths_[at.index()] >= 1) &&
                       (peer.index.b == 0 || depths_[at.index()] >= 2);
    if (!loops || plan_.rank_of(peer, at.vars()) != send.to) return false;  // the generator's
    note(at.index(), {peer, edge.sent - 1 - send.number});
    edge.drained = send.number + 1;
    return true;
  }

  void note(std::uint32_t step, const Drain& drain) {
    std::vector<Drain>& drains = found_[step];
    const auto same_peer = [&](const Drain& d) { return same(d.peer, drain.peer); };
    const auto known = std::find_if(drains.begin(), drains.end(), same_peer);
    if (known == drains.end()) {
      drains.push_back(drain);
    } else {
      known->lag = std::min(known->lag, drain.lag);
    }
  }

  const Plan& plan_;
  const int lane_;
  const std::uint32_t trips_;
  const std::size_t block_;  // elements
  const Geometry geometry_;
  const std::vector<std::uint8_t> depths_;     // by step: the round loops around it
  std::vector<Edge> edges_;                    // by peer
  std::vector<std::vector<Send>> lent_;        // by position in the output
  std::vector<std::vector<Send>> lent_slots_;  // by scratch slot
  Drains& found_;
};

// Copies the lane's steps with the drains between them. Loops still end where they began.
void insert(Plan& plan, const Drains& drains, std::size_t lane) {
  std::vector<Step> steps;
  const std::uint32_t begin = plan.lane_begin[lane], end = plan.lane_begin[lane + 1];
  std::vector<std::uint32_t> moved(end - begin);
  for (std::uint32_t k = begin; k < end; ++k) {
    if (const auto found = drains.find(k); found != drains.end()) {
      for (const Drain& d : found->second)
        steps.push_back({.op = Step::Op::kDrain,
                         .lane = static_cast<std::uint8_t>(lane),
                         .lag = d.lag,
                         .peer = d.peer});
    }
    moved[k - begin] = begin + static_cast<std::uint32_t>(steps.size());
    steps.push_back(plan.steps[k]);
  }
  for (Step& s : steps) {
    if (s.op == Step::Op::kEnd) s.jump = moved[s.jump - begin];
  }
  const auto at = plan.steps.begin();
  plan.steps.erase(at + begin, at + end);
  plan.steps.insert(plan.steps.begin() + begin, steps.begin(), steps.end());

  const auto shift = static_cast<std::uint32_t>(steps.size()) - (end - begin);
  for (std::size_t k = end + shift; k < plan.steps.size(); ++k) {
    if (plan.steps[k].op == Step::Op::kEnd) plan.steps[k].jump += shift;
  }
  for (std::size_t l = lane + 1; l < plan.lane_begin.size(); ++l) plan.lane_begin[l] += shift;
}

// Sends out of memory that the plan never writes need no drain.
bool lends_what_it_may_write(const Plan& plan) {
  return std::any_of(plan.steps.begin(), plan.steps.end(), [&](const Step& s) {
    return s.op == Step::Op::kSend && (s.ref.buffer != Buffer::kInput || plan.in_place);
  });
}

}  // namespace

void insert_drains(Plan& plan) {
  if (!lends_what_it_may_write(plan)) return;
  for (int lane = 0; lane < plan.lanes(); ++lane) {
    Drains found;
    for (const std::uint32_t trips : {1u, 3u}) LaneWalk(plan, lane, trips, found).run();
    if (!found.empty()) insert(plan, found, static_cast<std::size_t>(lane));
  }
}

}  // namespace tutti

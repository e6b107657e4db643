#include "collectives/plan_text.h"

#include <algorithm>
#include <cassert>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "collectives/wording.h"

namespace tutti {
namespace {

constexpr std::size_t kMostTexts = 16;  // of different plans

// ---- Words ------------------------------------------------------------------------------------

bool alike(Expr x, Expr y) { return x.a == y.a && x.b == y.b; }

bool alike(const Ref& x, const Ref& y) {
  return x.buffer == y.buffer && x.grid == y.grid && x.run == y.run && x.stride == y.stride &&
         x.total == y.total && alike(x.first, y.first) && alike(x.slot, y.slot);
}

bool alike(const Peer& x, const Peer& y) { return x.map == y.map && alike(x.index, y.index); }

bool alike(const Operand& x, const Operand& y) {
  return x.kind == y.kind && x.count == y.count && alike(x.ref, y.ref) && alike(x.peer, y.peer);
}

bool alike(const Step& x, const Step& y) {
  return x.op == y.op && x.finish == y.finish && x.shape == y.shape && x.lane == y.lane &&
         x.depth == y.depth && x.lag == y.lag && x.trips == y.trips && x.jump == y.jump &&
         x.operand_begin == y.operand_begin && x.operand_count == y.operand_count &&
         alike(x.peer, y.peer) && alike(x.ref, y.ref);
}

template <typename T>
bool all_alike(const std::vector<T>& x, const std::vector<T>& y) {
  return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                    [](const T& a, const T& b) { return alike(a, b); });
}

/// Whether two plans differ in nothing but the constants of expressions.
bool alike(const Plan& x, const Plan& y) {
  return x.grids == y.grids && x.maps == y.maps && x.lane_begin == y.lane_begin &&
         x.input_blocks == y.input_blocks && x.output_blocks == y.output_blocks &&
         x.scratch_slots == y.scratch_slots && all_alike(x.steps, y.steps) &&
         all_alike(x.operands, y.operands);
}

using Group = std::vector<const Plan*>;

/// The steps of all plans of a group; nothing if they have no common words.
std::optional<std::string> steps_text(const Group& group) {
  const Plan& plan = *group[0];
  Wording wording(group);
  std::string text;
  for (int l = 0; l < plan.lanes(); ++l) {
    std::size_t indent = 2;
    if (plan.lanes() > 1) {
      text += "  lane " + std::to_string(l) + "\n";
      indent = 4;
    }
    const auto lane = static_cast<std::size_t>(l);
    for (std::size_t k = plan.lane_begin[lane]; k < plan.lane_begin[lane + 1]; ++k) {
      const Step::Op op = plan.steps[k].op;
      if (op == Step::Op::kEnd) {
        indent -= 2;
        continue;
      }
      text += std::string(indent, ' ') + wording.step(k) + "\n";
      if (op == Step::Op::kLoop || op == Step::Op::kTiles) indent += 2;
    }
  }
  if (plan.steps.empty()) text = "  nothing\n";
  return wording.failed() ? std::nullopt : std::optional(text);
}

std::string ranks_text(const Group& group, std::size_t size) {
  if (group.size() == size && size > 1) return "every rank";
  std::string text = group.size() == 1 ? "rank " : "ranks ";
  for (std::size_t k = 0; k < group.size(); ++k) {
    std::size_t last = k;  // of a run of neighbours
    while (last + 1 < group.size() && group[last + 1]->rank == group[last]->rank + 1) ++last;
    text += (k == 0 ? "" : ", ") + std::to_string(group[k]->rank);
    if (last > k) text += "-" + std::to_string(group[last]->rank);
    k = last;
  }
  return text;
}

std::vector<Group> groups_of(std::span<const Plan> plans) {
  std::vector<Group> groups;
  for (const Plan& plan : plans) {
    const auto same = std::find_if(groups.begin(), groups.end(),
                                   [&](const Group& g) { return alike(*g[0], plan); });
    if (same == groups.end()) {
      groups.push_back({&plan});
    } else {
      same->push_back(&plan);
    }
  }
  return groups;
}

// ---- Picture ------------------------------------------------------------------------------------

/// One rank's place in the picture: its lanes, and what it has done in this round.
struct Column {
  std::vector<LaneCursor> lanes;
  std::vector<std::vector<std::uint32_t>> tokens;  // [lane][by the lane that gave them]
  std::vector<std::string> actions;
};

class Picture {
 public:
  explicit Picture(std::span<const Plan> plans);
  std::string draw();

 private:
  using EdgeKey = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;  // from, to, lane

  struct Edge {
    int posted = 0, there = 0, read = 0;  // `there`: posted before this round
  };

  bool attempt(std::uint32_t rank, std::uint32_t lane);
  bool receive(std::uint32_t rank, std::uint32_t lane, const Step& step);
  void add_row(int round);

  const std::span<const Plan> plans_;
  std::vector<Column> columns_;
  std::map<EdgeKey, Edge> edges_;
  std::vector<std::vector<std::string>> cells_;  // [row][column], column 0 the round
};

Picture::Picture(std::span<const Plan> plans) : plans_(plans), columns_(plans.size()) {
  for (std::size_t r = 0; r < plans.size(); ++r) {
    const int lanes = plans[r].lanes();
    for (int l = 0; l < lanes; ++l) columns_[r].lanes.emplace_back(plans[r], l, 1);
    columns_[r].tokens.assign(static_cast<std::size_t>(lanes),
                              std::vector<std::uint32_t>(kMaxLanes));
  }
}

bool Picture::receive(std::uint32_t rank, std::uint32_t lane, const Step& step) {
  const Plan& plan = plans_[rank];
  std::vector<Edge*> edges;
  for (const Operand& o : plan.operands_of(step)) {
    if (o.kind != Operand::Kind::kPeer && o.kind != Operand::Kind::kPeers) continue;
    for (std::uint32_t m = 0; m < o.count; ++m) {
      const std::uint32_t from = plan.rank_of(o.peer, columns_[rank].lanes[lane].vars(), m);
      if (from == rank) continue;
      Edge& edge = edges_[{from, rank, lane}];
      if (edge.read == edge.there) return false;
      edges.push_back(&edge);
    }
  }
  for (Edge* edge : edges) ++edge->read;
  return true;
}

/// Does the step at a lane's cursor if this round allows it. Drains are not drawn: they wait, at
/// most.
bool Picture::attempt(std::uint32_t rank, std::uint32_t lane) {
  Column& column = columns_[rank];
  LaneCursor& cursor = column.lanes[lane];
  const Step& step = *cursor.step();
  switch (step.op) {
    case Step::Op::kSend:
      ++edges_[{rank, plans_[rank].rank_of(step.peer, cursor.vars()), lane}].posted;
      break;
    case Step::Op::kReduce:
      if (!receive(rank, lane, step)) return false;
      break;
    case Step::Op::kDrain: {
      const Edge& edge = edges_[{rank, plans_[rank].rank_of(step.peer, cursor.vars()), step.lane}];
      if (edge.posted - edge.read > static_cast<int>(step.lag)) return false;
      break;
    }
    case Step::Op::kSignal:
      ++column.tokens[step.lane][lane];
      break;
    case Step::Op::kWait:
      if (column.tokens[lane][step.lane] == 0) return false;
      --column.tokens[lane][step.lane];
      break;
    default:
      break;
  }
  if (step.op <= Step::Op::kScale) {
    const LoopVars vars = cursor.vars();
    column.actions.push_back(Wording({&plans_[rank]}, &vars).step(cursor.index()));
  }
  cursor.advance();
  return true;
}

void Picture::add_row(int round) {
  std::size_t height = 0;
  for (const Column& column : columns_) height = std::max(height, column.actions.size());
  for (std::size_t line = 0; line < height; ++line) {
    std::vector<std::string> row = {line == 0 ? std::to_string(round) : ""};
    for (const Column& column : columns_)
      row.push_back(line < column.actions.size() ? column.actions[line] : "");
    cells_.push_back(std::move(row));
  }
  if (height > 0) cells_.emplace_back();  // a rule
  for (Column& column : columns_) column.actions.clear();
}

/// Characters, not bytes, of UTF-8.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string table_text(const std::vector<std::vector<std::string>>& cells) {
  std::vector<std::size_t> widths(cells[0].size());
  for (const auto& row : cells)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  std::string text, rule;
  for (std::size_t c = 0; c < widths.size(); ++c) {
    for (std::size_t k = 0; k < widths[c] + 2; ++k) rule += "─";
    rule += c + 1 < widths.size() ? "┼" : "\n";
  }
  for (const auto& row : cells) {
    if (row.empty()) {
      text += rule;
      continue;
    }
    for (std::size_t c = 0; c < row.size(); ++c) {
      const bool last = c + 1 == row.size();
      text += " " + row[c];
      if (!last) text += std::string(widths[c] - width_of(row[c]) + 1, ' ') + "│";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += "\n";
  }
  return text;
}

std::string Picture::draw() {
  std::vector<std::string> header = {"round"};
  for (const Plan& plan : plans_) header.push_back("rank " + std::to_string(plan.rank));
  cells_ = {header, {}};
  bool moved = true;
  for (int round = 1; moved; ++round) {
    moved = false;
    for (auto& [key, edge] : edges_) edge.there = edge.posted;
    for (std::uint32_t r = 0; r < columns_.size(); ++r) {
      for (bool again = true; again;) {
        again = false;
        for (std::uint32_t l = 0; l < columns_[r].lanes.size(); ++l)
          while (columns_[r].lanes[l].step() != nullptr && attempt(r, l)) again = true;
        moved |= again;
      }
    }
    add_row(round);
  }
  if (cells_.back().empty()) cells_.pop_back();
  return table_text(cells_);
}

}  // namespace

std::string plans_text(std::span<const Plan> plans) {
  std::vector<std::pair<Group, std::string>> texts;
  for (const Group& group : groups_of(plans)) {
    if (const auto text = steps_text(group)) {
      texts.emplace_back(group, *text);
      continue;
    }
    for (const Plan* plan : group) texts.emplace_back(Group{plan}, *steps_text({plan}));
  }
  std::string all;
  for (std::size_t k = 0; k < texts.size() && k < kMostTexts; ++k)
    all += ranks_text(texts[k].first, plans.size()) + "\n" + texts[k].second;
  if (texts.size() > kMostTexts)
    all += "… and " + std::to_string(texts.size() - kMostTexts) + " more\n";
  return all;
}

std::string plans_picture(std::span<const Plan> plans) { return Picture(plans).draw(); }

}  // namespace tutti

#include "perf/rank.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "perf/elements.h"
#include "perf/group.h"
#include "perf/line_probe.h"
#include "tools/inquiry.h"

namespace tutti {
namespace {

/// Rank 0 makes the board and tells the others where it is, by the library that is to be measured:
/// this needs no channel but the one that there is.
Board open_board(tutti_comm* comm, int rank, int ranks) {
  std::array<char, 128> where{};
  std::optional<Board> mine;
  if (rank == 0) {
    mine.emplace(Board::create(ranks));
    mine->path().copy(where.data(), where.size() - 1);
  }
  require(tutti_broadcast(where.data(), where.data(), where.size(), TUTTI_U8, 0, comm, nullptr),
          comm);
  Board board = mine ? std::move(*mine) : Board::open(where.data(), ranks);
  // Rank 0 must not go, and its descriptor with it, before all have opened the board.
  require(tutti_barrier(comm, nullptr), comm);
  return board;
}

std::chrono::seconds patience(const SweepSettings& settings) {
  constexpr double kDefaultS = 1800;
  const double seconds = settings.timeout_s > 0 ? settings.timeout_s : kDefaultS;
  return std::chrono::seconds(static_cast<long>(seconds) + 1);
}

/// Every rank's process and CPUs, told over the board's rows of samples.
std::vector<RankPlace> share_places(Board& board, int rank) {
  const CpuList mine = my_cpus();
  auto row = board.samples(rank);
  const std::size_t told = std::min(mine.size(), row.size() - 2);
  row[0] = getpid();
  row[1] = static_cast<double>(told);
  std::copy_n(mine.begin(), told, row.begin() + 2);
  board.meet();
  std::vector<RankPlace> places;
  for (int other = 0; other < board.ranks(); ++other) {
    const auto said = board.samples(other);
    const auto cpus = said.subspan(2).first(static_cast<std::size_t>(said[1]));
    RankPlace place{.pid = static_cast<int>(said[0]), .cpus = {}};
    for (const double cpu : cpus) place.cpus.push_back(static_cast<int>(cpu));
    places.push_back(std::move(place));
  }
  board.meet();
  return places;
}

/// For each rank in turn a CPU that no rank before it has, while there are any.
CpuList distinct_cpus(const std::vector<RankPlace>& places) {
  CpuList picked;
  for (const RankPlace& place : places) {
    const auto free = std::ranges::find_if(
        place.cpus, [&](int cpu) { return std::ranges::find(picked, cpu) == picked.end(); });
    if (free != place.cpus.end()) picked.push_back(*free);
  }
  return picked;
}

/// For the buffers of the limit.
std::size_t memory_for_limit() {
  constexpr double kUnknown = std::size_t{1} << 30;
  return static_cast<std::size_t>(kLimitShare * memory_to_be_had().value_or(kUnknown));
}

void make_buffers(RankContext& context) {
  const std::size_t bytes = largest_array(*context.settings, context.ranks);
  if (context.settings->collective == "barrier") return;
  for (const bool registered : listed(context.settings->registered)) {
    BufferPair& pair = context.buffers[registered ? 1 : 0];
    const auto make = [&] {
      return registered ? registered_buffer(bytes, context.comm) : pageable_buffer(bytes);
    };
    pair.input = make();
    pair.output = make();
    if (bytes == 0) continue;
    std::memset(pair.input.get(), 0, bytes);  // touched once, so that no call pays for its pages
    std::memset(pair.output.get(), 0, bytes);
  }
}

/// The op of a type: predefined, or made here, by every rank in the same order.
class SweepOp {
 public:
  SweepOp(const Arithmetic& arithmetic, int rank, tutti_comm* comm) : comm_(comm) {
    if (arithmetic.op == nullptr) return;
    value_ = arithmetic.op->value;
    made_ = value_ == 0;
    if (!made_) return;
    const auto scalar = element_scalar(*arithmetic.dtype, rank);
    require(tutti_op_create_pre_scaled(&value_, scalar.data(), arithmetic.dtype->value, comm),
            comm);
  }
  ~SweepOp() {
    if (made_) tutti_op_free(value_, comm_);
  }
  SweepOp(const SweepOp&) = delete;
  SweepOp& operator=(const SweepOp&) = delete;
  tutti_op value() const { return value_; }

 private:
  tutti_comm* comm_;
  tutti_op value_ = TUTTI_SUM;
  bool made_ = false;
};

void sweep_sizes_of(RankContext& context, const Arithmetic& arithmetic, Budget& budget,
                    std::uint64_t& index) {
  const SweepSettings& settings = *context.settings;
  const CollectiveName* collective = find_collective(settings.collective);
  const SweepOp op(arithmetic, context.rank, context.comm);
  const ElementCase values{.collective = collective,
                           .dtype = arithmetic.dtype,
                           .op = arithmetic.op,
                           .ranks = context.ranks,
                           .root = settings.root,
                           .seed = settings.seed};
  const GroupElements elements{.input = element_inputs(values, context.rank),
                               .results = ElementResults(values, context.rank)};
  const std::size_t element_bytes = tutti_dtype_size(arithmetic.dtype->value);
  for (const std::size_t size : sweep_sizes(settings)) {
    const std::size_t blocks =
        collective->is_in_vectors() ? static_cast<std::size_t>(context.ranks) : 1;
    const std::size_t count = block_count(*collective, size, element_bytes, context.ranks);
    const GroupCase group{.call = {.collective = collective,
                                   .dtype = arithmetic.dtype->value,
                                   .op = op.value(),
                                   .count = count,
                                   .root = settings.root},
                          .arithmetic = arithmetic,
                          .elements = &elements,
                          .bytes = blocks * count * element_bytes,
                          .index = index++};
    Group(context, group).run(budget.next_share(context.elapsed_s()));
  }
}

void sweep_all(RankContext& context) {
  const SweepSettings& settings = *context.settings;
  const auto arithmetics = sweep_arithmetics(settings);
  std::vector<double> weights;
  for (std::size_t i = 0; i < arithmetics.size(); ++i)
    for (const std::size_t bytes : sweep_sizes(settings)) weights.push_back(group_weight(bytes));
  Budget budget(settings.budget_s, weights);
  std::uint64_t index = 0;
  for (const Arithmetic& arithmetic : arithmetics)
    sweep_sizes_of(context, arithmetic, budget, index);
  if (context.rank == 0 && context.reduced_cells > 0)
    context.sink->note(fmt::format(
        "{} of {} cells at {} ranks have fewer turns than usual, to fit the budget of {:.0f} s",
        context.reduced_cells, context.measured_cells, context.ranks, settings.budget_s));
}

void prepare_and_sweep(RankContext& context) {
  const auto places = share_places(*context.board, context.rank);
  context.cpus = distinct_cpus(places);
  const bool crowded = context.cpus.size() < static_cast<std::size_t>(context.ranks);
  context.board->configure(context.rank, crowded, patience(*context.settings));
  const auto line_ns = probe_line(*context.board, context.rank, context.cpus);
  LimitMeter limit(context.cpus, memory_for_limit());
  context.limit = &limit;
  make_buffers(context);
  const SweepSettings& asked = *context.settings;
  std::vector<SweepSettings> parts = parts_of(asked);
  for (std::size_t k = 0; k < parts.size(); ++k) {
    SweepSettings& part = parts[k];
    // Each may spend an equal share of what those before it have left.
    const double left_s = asked.budget_s - context.elapsed_s();
    part.budget_s = context.elapsed_s() + left_s / static_cast<double>(parts.size() - k);
    context.settings = &part;
    if (context.rank == 0)
      context.sink->world({.collective = part.collective,
                           .ranks = context.ranks,
                           .places = places,
                           .line_ns = line_ns});
    sweep_all(context);
  }
  context.settings = &asked;
}

}  // namespace

void sweep_world(tutti_comm* comm, const SweepSettings& settings, ResultSink* sink) {
  RankContext context{.comm = comm,
                      .settings = &settings,
                      .cpus = {},
                      .sink = sink,
                      .buffers = {},
                      .start = std::chrono::steady_clock::now()};
  require(tutti_rank(comm, &context.rank), comm);
  require(tutti_size(comm, &context.ranks), comm);
  check_world(settings, context.ranks);
  Board board = open_board(comm, context.rank, context.ranks);
  board.configure(context.rank, true, patience(settings));
  context.board = &board;
  try {
    prepare_and_sweep(context);
  } catch (...) {
    board.fail();
    throw;
  }
}

}  // namespace tutti

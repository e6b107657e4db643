// Every algorithm of the collectives that move blocks, or reduce to one rank, through the C API:
// every root, awkward counts, both memories, in place or not, with ranks as threads and as
// processes.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "collectives/algorithms.h"
#include "tests/any_call.h"
#include "tests/catch.h"
#include "tests/ranks.h"
#include "tests/settings.h"
#include "tutti/tutti.h"

namespace {

using namespace tutti;
using namespace tutti::test;

const int kMaxRanks = static_cast<int>(setting("TUTTI_COLLECTIVES_RANKS", 9));
using Elements = std::vector<std::int32_t>;

// Element e of a rank's input: no two are alike, and sums over ranks are told apart.
std::int32_t input_value(int rank, std::size_t e) {
  return (rank + 1) * 1'000'003 + static_cast<std::int32_t>(e % 9973) * (rank + 7);
}

struct Case {
  Collective collective;
  std::string algorithm;
  int rank, ranks, root;
  std::size_t count;

  std::string name() const {
    return std::string(name_of(collective)) + " " + algorithm + " root " + std::to_string(root) +
           " count " + std::to_string(count);
  }
};

tutti_status run(const Case& c, const void* send, void* recv, tutti_comm* comm) {
  tutti_options options = TUTTI_OPTIONS_INIT;
  options.algorithm = c.algorithm.c_str();
  const AnyCall call{.collective = c.collective, .count = c.count, .root = c.root};
  return call.make(send, recv, comm, &options);
}

// Of the first `ranks` ranks.
std::int32_t sum_of(int ranks, std::size_t e) {
  std::uint32_t sum = 0;
  for (int r = 0; r < ranks; ++r) sum += static_cast<std::uint32_t>(input_value(r, e));
  return static_cast<std::int32_t>(sum);
}

// What element e of this rank's output must be.
std::int32_t expected(const Case& c, std::size_t e) {
  const std::size_t own = static_cast<std::size_t>(c.rank) * c.count;
  const auto block = static_cast<int>(e / c.count);
  switch (c.collective) {
    case Collective::kReduceScatter:
      return sum_of(c.ranks, own + e);
    case Collective::kScan:
      return sum_of(c.rank + 1, e);
    case Collective::kExclusiveScan:
      return sum_of(c.rank, e);
    case Collective::kBroadcast:
      return input_value(c.root, e);
    case Collective::kAllGather:
    case Collective::kGather:
      return input_value(block, e % c.count);
    case Collective::kScatter:
      return input_value(c.root, own + e);
    case Collective::kAllToAll:
      return input_value(block, own + e % c.count);
    default:
      return sum_of(c.ranks, e);
  }
}

// Both buffers in one piece of memory, and the two of a call in place within each other.
void check(const Case& c, bool in_place, bool registered, tutti_comm* comm) {
  const CollectiveTraits& traits = traits_of(c.collective);
  const auto elements = [&](int blocks) { return static_cast<std::size_t>(blocks) * c.count; };
  const std::size_t in = elements(traits.input_blocks(c.ranks, c.rank, c.root));
  const std::size_t out = elements(traits.output_blocks(c.ranks, c.rank, c.root));
  in_place = in_place && in > 0 && out > 0 && traits.has_in_place_form();
  const std::size_t own = static_cast<std::size_t>(c.rank) * c.count;
  Elements ordinary(in + out + 1, -1);
  void* memory = ordinary.data();
  if (registered) ok(tutti_alloc(&memory, ordinary.size() * sizeof(std::int32_t), comm), comm);
  auto* const first = static_cast<std::int32_t*>(memory);
  std::fill_n(first, ordinary.size(), -1);
  std::int32_t *send = first, *recv = first + in;
  if (in_place) {
    recv = in > out ? send + own : send;
    if (out > in) recv = first, send = first + own;
  }
  for (std::size_t e = 0; e < in; ++e) send[e] = input_value(c.rank, e);
  ok(run(c, in > 0 ? send : nullptr, out > 0 ? recv : nullptr, comm), comm);
  const bool undefined = traits.scan == Scan::kExclusive && c.rank == 0;
  for (std::size_t e = 0; e < out && !undefined; ++e)
    expect(recv[e] == expected(c, e), c.name() + ": element " + std::to_string(e) + " is wrong");
  for (std::size_t e = 0; e < in && !in_place; ++e)
    expect(send[e] == input_value(c.rank, e), c.name() + ": the input has changed");
  expect(first[in + out] == -1, c.name() + ": wrote past the end");
  if (registered) ok(tutti_free(memory, comm), comm);
}

void sweep(RankKind kind, int ranks) {
  const std::string failures = run_ranks(kind, ranks, [&](int rank, tutti_comm* comm) {
    int turn = 0;
    for (const Collective collective : all_collectives()) {
      const CollectiveTraits& traits = traits_of(collective);
      if (traits.output == Extent::kNone) continue;
      for (const Variant& variant : variants(collective, ranks)) {
        for (int root = 0; root < (traits.rooted ? ranks : 1); ++root) {
          for (const std::size_t count : {0U, 1U, 5U, 1000U, 30'011U}) {
            const Case c{collective, variant.name(), rank, ranks, root, count};
            check(c, turn % 2 == 1, turn % 3 == 1, comm);
            ++turn;
          }
        }
      }
    }
  });
  CHECK(failures == "");
}

}  // namespace

TEST_CASE("blocks go where they belong, and sums too: threads") {
  for (int ranks = 1; ranks <= kMaxRanks; ++ranks) sweep(RankKind::kThreads, ranks);
}

TEST_CASE("blocks go where they belong, and sums too: processes", "[processes]") {
  for (const int ranks : {2, 3, 5}) sweep(RankKind::kProcesses, ranks);
}

// The collectives whose counts differ by rank, through the C API: every algorithm and root, random
// and extreme counts, packed and spread out, in place or not, with ranks as threads and as
// processes.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "collectives/algorithms.h"
#include "tests/catch.h"
#include "tests/kernel_operands.h"
#include "tests/ranks.h"
#include "tests/settings.h"
#include "tutti/tutti.h"

namespace {

using namespace tutti;
using namespace tutti::test;

const int kMaxRanks = static_cast<int>(setting("TUTTI_COLLECTIVES_RANKS", 9));
using Counts = std::vector<std::size_t>;

std::int32_t value(int rank, std::size_t block, std::size_t e) {
  return (rank + 1) * 1'000'003 + static_cast<std::int32_t>(block) * 7919 +
         static_cast<std::int32_t>(e % 9973);
}

/// What all ranks agree on. pair(s, d): what rank s has for rank d.
struct Case {
  Collective collective = Collective::kAllGatherV;
  std::string algorithm;
  int ranks = 1, root = 0;
  Counts lengths;  // of blocks; of pairs, by sender
  bool spread = false, in_place = false, request = false;

  std::size_t length(int k) const { return lengths[static_cast<std::size_t>(k)]; }
  std::size_t pair(int s, int d) const { return lengths[static_cast<std::size_t>(s * ranks + d)]; }
};

/// A list of blocks, and an array that holds them.
struct List {
  Counts counts, displs;
  std::vector<std::int32_t> data;

  List(Counts lengths, bool spread) : counts(std::move(lengths)) {
    std::size_t end = spread ? 3 : 0;
    for (const std::size_t count : counts) {
      displs.push_back(end);
      end += count + (spread ? 2 : 0);
    }
    if (spread) std::reverse_copy(counts.begin(), counts.end(), std::back_inserter(reversed_));
    data.assign(end + 1, -1);
  }
  std::int32_t* block(int k) { return data.data() + displs[static_cast<std::size_t>(k)]; }
  const std::size_t* displs_or_null(bool spread) const { return spread ? displs.data() : nullptr; }

 private:
  Counts reversed_;
};

Counts random_counts(std::mt19937& random, std::size_t n, int kind) {
  Counts counts(n);
  for (std::size_t k = 0; k < n; ++k) {
    if (kind == 0) counts[k] = random() % 200;
    if (kind == 1) counts[k] = k == n / 2 ? 40'000 : 0;
    if (kind == 2) counts[k] = k % 2 == 0 ? 0 : 1 + random() % 3000;
    if (kind == 3) counts[k] = random() % 3 == 0 ? random() % 100'000 : random() % 5;
  }
  return counts;
}

class Rank {
 public:
  Rank(int rank, tutti_comm* comm) : rank_(rank), comm_(comm) {}

  void check(const Case& c) {
    tutti_request* pending = nullptr;
    tutti_options options = TUTTI_OPTIONS_INIT;
    options.algorithm = c.algorithm.c_str();
    if (c.request) options.request = &pending;
    switch (c.collective) {
      case Collective::kAllGatherV:
        return all_gather(c, options, pending);
      case Collective::kReduceScatterV:
        return reduce_scatter(c, options, pending);
      case Collective::kGatherV:
        return gather(c, options, pending);
      case Collective::kScatterV:
        return scatter(c, options, pending);
      default:
        return all_to_all(c, options, pending);
    }
  }

 private:
  void finish(tutti_status status, tutti_request*& pending) {
    ok(status, comm_);
    if (pending != nullptr) ok(tutti_wait(pending), comm_);
  }
  void expect_block(const Case& c, const std::int32_t* at, std::size_t length, auto expected) {
    for (std::size_t e = 0; e < length; ++e)
      expect(at[e] == expected(e), std::string(name_of(c.collective)) + " " + c.algorithm +
                                       ": element " + std::to_string(e) + (c.in_place ? " in place" : "") + (c.request ? " request" : "") + " ranks " + std::to_string(c.ranks) + " length " + std::to_string(length));
  }
  void expect_gaps(List& list, bool spread) {
    expect(list.data.back() == -1, "wrote past the end");
    for (std::size_t k = 0; k < list.counts.size() && spread; ++k)
      expect(list.data[list.displs[k] - 1] == -1, "wrote before a block");
  }

  void all_gather(const Case& c, tutti_options& options, tutti_request*& pending) {
    List out(c.lengths, c.spread);
    std::vector<std::int32_t> in(c.length(rank_) + 1);
    std::int32_t* const send = c.in_place ? out.block(rank_) : in.data();
    for (std::size_t e = 0; e < c.length(rank_); ++e) send[e] = value(rank_, 0, e);
    const tutti_status status =
        tutti_all_gatherv(send, c.length(rank_), out.data.data(), out.counts.data(),
                          out.displs_or_null(c.spread), TUTTI_I32, comm_, &options);
    finish(status, pending);
    for (int r = 0; r < c.ranks; ++r)
      expect_block(c, out.block(r), c.length(r), [&](std::size_t e) { return value(r, 0, e); });
    expect_gaps(out, c.spread);
  }

  void reduce_scatter(const Case& c, tutti_options& options, tutti_request*& pending) {
    List in(c.lengths, false);
    for (int b = 0; b < c.ranks; ++b)
      for (std::size_t e = 0; e < c.length(b); ++e)
        in.block(b)[e] = value(rank_, static_cast<std::size_t>(b), e);
    std::vector<std::int32_t> out(c.length(rank_) + 1, -1);
    std::int32_t* const recv = c.in_place ? in.block(rank_) : out.data();
    finish(tutti_reduce_scatterv(in.data.data(), recv, in.counts.data(), TUTTI_I32, TUTTI_SUM,
                                 comm_, &options),
           pending);
    expect_block(c, recv, c.length(rank_), [&](std::size_t e) {
      std::uint32_t sum = 0;
      for (int r = 0; r < c.ranks; ++r)
        sum += static_cast<std::uint32_t>(value(r, static_cast<std::size_t>(rank_), e));
      return static_cast<std::int32_t>(sum);
    });
    expect(out.back() == -1, "wrote past the end");
  }

  void gather(const Case& c, tutti_options& options, tutti_request*& pending) {
    const bool root = rank_ == c.root;
    List out(root ? c.lengths : Counts(1), c.spread);
    std::vector<std::int32_t> in(c.length(rank_) + 1);
    std::int32_t* const send = root && c.in_place ? out.block(rank_) : in.data();
    for (std::size_t e = 0; e < c.length(rank_); ++e) send[e] = value(rank_, 0, e);
    finish(tutti_gatherv(send, c.length(rank_), root ? out.data.data() : nullptr,
                         root ? out.counts.data() : nullptr,
                         root ? out.displs_or_null(c.spread) : nullptr, TUTTI_I32, c.root, comm_,
                         &options),
           pending);
    for (int r = 0; root && r < c.ranks; ++r)
      expect_block(c, out.block(r), c.length(r), [&](std::size_t e) { return value(r, 0, e); });
    expect_gaps(out, c.spread);
  }

  void scatter(const Case& c, tutti_options& options, tutti_request*& pending) {
    const bool root = rank_ == c.root;
    List in(root ? c.lengths : Counts(1), c.spread);
    for (int b = 0; root && b < c.ranks; ++b)
      for (std::size_t e = 0; e < c.length(b); ++e)
        in.block(b)[e] = value(c.root, static_cast<std::size_t>(b), e);
    std::vector<std::int32_t> out(c.length(rank_) + 1, -1);
    std::int32_t* const recv = root && c.in_place ? in.block(rank_) : out.data();
    finish(tutti_scatterv(root ? in.data.data() : nullptr, root ? in.counts.data() : nullptr,
                          root ? in.displs_or_null(c.spread) : nullptr, recv, c.length(rank_),
                          TUTTI_I32, c.root, comm_, &options),
           pending);
    expect_block(c, recv, c.length(rank_), [&](std::size_t e) {
      return value(c.root, static_cast<std::size_t>(rank_), e);
    });
    expect(out.back() == -1, "wrote past the end");
  }

  void all_to_all(const Case& c, tutti_options& options, tutti_request*& pending) {
    Counts row, column;
    for (int r = 0; r < c.ranks; ++r) {
      row.push_back(c.pair(rank_, r));
      column.push_back(c.pair(r, rank_));
    }
    List in(row, c.spread), out(column, c.spread);
    for (int d = 0; d < c.ranks; ++d)
      for (std::size_t e = 0; e < c.pair(rank_, d); ++e)
        in.block(d)[e] = value(rank_, static_cast<std::size_t>(d), e);
    finish(tutti_all_to_allv(in.data.data(), in.counts.data(), in.displs_or_null(c.spread),
                             out.data.data(), out.counts.data(), out.displs_or_null(c.spread),
                             TUTTI_I32, comm_, &options),
           pending);
    for (int s = 0; s < c.ranks; ++s)
      expect_block(c, out.block(s), c.pair(s, rank_), [&](std::size_t e) {
        return value(s, static_cast<std::size_t>(rank_), e);
      });
    expect_gaps(out, c.spread);
  }

  const int rank_;
  tutti_comm* const comm_;
};

void sweep(RankKind kind, int ranks) {
  const auto seed = static_cast<unsigned>(test_seed());
  const std::string failures = run_ranks(kind, ranks, [&](int rank, tutti_comm* comm) {
    std::mt19937 random(seed);  // the same on every rank
    Rank self(rank, comm);
    for (const Collective collective : all_collectives()) {
      const CollectiveTraits& traits = traits_of(collective);
      if (traits.lengths == Lengths::kAlike) continue;
      const auto n = static_cast<std::size_t>(ranks);
      for (const Variant& variant : variants(collective, ranks)) {
        for (int root = 0; root < (traits.rooted ? ranks : 1); ++root) {
          for (int kind_of_counts = 0; kind_of_counts < 4; ++kind_of_counts) {
            const std::size_t blocks = collective == Collective::kAllToAllV ? n * n : n;
            Case c{collective, variant.name(), ranks, root,
                   random_counts(random, blocks, kind_of_counts)};
            c.spread = random() % 2 == 0;
            c.in_place = random() % 2 == 0;
            c.request = random() % 3 == 0;
            self.check(c);
          }
        }
      }
    }
  });
  CHECK(failures == "");
}

}  // namespace

TEST_CASE("blocks of different lengths go where they belong: threads") {
  for (int ranks = 1; ranks <= kMaxRanks; ++ranks) sweep(RankKind::kThreads, ranks);
}

TEST_CASE("blocks of different lengths go where they belong: processes", "[processes]") {
  for (const int ranks : {2, 3, 5}) sweep(RankKind::kProcesses, ranks);
}

TEST_CASE("ranks that give different counts for a block get an error, and nothing arrives") {
  const auto body = [](int rank, tutti_comm* comm) {
    for (const bool small : {true}) {
      const std::size_t mine = small ? 3 : 3000, theirs = rank == 1 ? mine + 1 : mine;
      std::vector<std::int32_t> in(8000, rank), out(8000, -1);
      const Counts sent{mine, mine}, received{theirs, theirs};
      tutti_status status =
          tutti_all_to_allv(in.data(), sent.data(), nullptr, out.data(), received.data(), nullptr,
                            TUTTI_I32, comm, nullptr);
      if (status == TUTTI_OK) status = tutti_barrier(comm, nullptr);
      expect(status == TUTTI_MISMATCH, "status " + std::to_string(status));
      const std::string text = tutti_error_text(comm);
      expect(text.find("all_to_allv #1 (i32)") != std::string::npos, text);
      expect(text.find("different counts") != std::string::npos, text);
    }
  };
  CHECK(run_ranks(RankKind::kThreads, 2, body) == "");
}

// Ranks that make different calls, through the C API.
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "collectives/algorithms.h"
#include "tests/any_call.h"
#include "tests/catch.h"
#include "tests/kernel_operands.h"
#include "tests/ranks.h"
#include "tests/settings.h"
#include "tutti/tutti.h"

namespace tutti::test {
namespace {

std::string error_of(const tutti_comm* comm) { return tutti_error_text(comm); }

/// A call, and how it is made.
struct Drawn : AnyCall {
  const char* algorithm = nullptr;
  bool request = false;

  tutti_status make(tutti_comm* comm, std::byte* send, std::byte* recv) const {
    tutti_request* pending = nullptr;
    tutti_options options = TUTTI_OPTIONS_INIT;
    options.algorithm = algorithm;
    if (request) options.request = &pending;
    const tutti_status status = AnyCall::make(send, recv, comm, &options);
    return pending == nullptr ? status : tutti_wait(pending);
  }
};

/// Draws calls, and what may be wrong with them.
class Draw {
 public:
  Draw(std::uint64_t seed, int ranks) : random_(seed), ranks_(ranks) {}

  std::size_t below(std::size_t n) { return random_() % n; }

  Drawn call() {
    Drawn c;
    c.collective = static_cast<Collective>(below(kCollectives));
    c.count = count();
    c.dtype = pick(kDtypes);
    c.op = op_for(c.collective);
    c.root = static_cast<int>(below(static_cast<std::size_t>(ranks_)));
    c.algorithm = algorithm(c.collective);
    c.request = below(4) == 0;
    return c;
  }

  /// The call with one thing changed that all ranks must agree on.
  Drawn spoiled(const Drawn& right) {
    const CollectiveTraits& traits = traits_of(right.collective);
    const bool has_data = traits.output != Extent::kNone;
    for (;;) {
      Drawn wrong = right;
      switch (below(7)) {
        case 0:
          wrong.collective = static_cast<Collective>(below(kCollectives));
          wrong.algorithm = nullptr;
          wrong.op = op_for(wrong.collective);
          if (wrong.collective != right.collective) return wrong;
          break;
        case 1:
          wrong.count = count();
          if (has_data && wrong.count != right.count) return wrong;
          break;
        case 2:
          wrong.dtype = pick(kDtypes);
          if (has_data && wrong.dtype != right.dtype) return wrong;
          break;
        case 3:
          wrong.op = op_for(right.collective);
          if (traits.reduces && wrong.op != right.op) return wrong;
          break;
        case 4:
          wrong.root = static_cast<int>(below(static_cast<std::size_t>(ranks_)));
          if (traits.rooted && wrong.root != right.root) return wrong;
          break;
        case 5:
          wrong.request = !right.request;
          return wrong;
        default:
          wrong.algorithm = algorithm(right.collective);
          if (wrong.algorithm != right.algorithm && wrong.algorithm && right.algorithm)
            return wrong;
      }
    }
  }

 private:
  static constexpr std::array kDtypes{TUTTI_I8, TUTTI_I32, TUTTI_U64, TUTTI_F32, TUTTI_F64};
  static constexpr std::array kOps{TUTTI_SUM, TUTTI_PROD, TUTTI_MIN, TUTTI_MAX,
                                   TUTTI_AVG};  // avg last: no scan takes it

  std::size_t count() {
    constexpr std::array<std::size_t, 9> kCounts{0, 1, 2, 39, 40, 1000, 5000, 70'000, 200'000};
    return pick(kCounts);
  }
  const char* algorithm(Collective collective) {
    const Algorithm& row = algorithms()[below(algorithms().size())];
    return row.collective == collective ? row.name.data() : nullptr;
  }
  tutti_op op_for(Collective collective) {
    const bool scan = traits_of(collective).scan != Scan::kNone;
    return kOps[below(kOps.size() - (scan ? 1 : 0))];
  }
  template <typename T, std::size_t n>
  T pick(const std::array<T, n>& values) {
    return values[below(n)];
  }

  std::mt19937_64 random_;
  int ranks_;
};

/// One rank's calls: all alike but for one rank, which has one wrong, or two in the other order.
/// Every rank must end with TUTTI_MISMATCH, naming two ranks, and its data must hold no wrong byte.
struct Quarrel {
  int ranks = 2, wrong_rank = 0;
  std::vector<Drawn> right, wrong;
};

Quarrel draw_quarrel(std::uint64_t seed) {
  Draw draw(seed, 2);
  Quarrel q;
  q.ranks = static_cast<int>(2 + draw.below(3));
  draw = Draw(seed + 1, q.ranks);
  q.wrong_rank = static_cast<int>(draw.below(static_cast<std::size_t>(q.ranks)));
  for (std::size_t before = draw.below(3); before > 0; --before) q.right.push_back(draw.call());
  q.wrong = q.right;
  const Drawn call = draw.call();
  const Drawn other = draw.spoiled(call);
  q.right.push_back(call);
  q.wrong.push_back(other);
  if (draw.below(3) == 0) {  // only the order differs
    q.right.push_back(other);
    q.wrong.push_back(call);
  }
  return q;
}

void quarrel(const Quarrel& q, const tutti_config& given) {
  tutti_config config = given;
  config.call_timeout_ms = 20'000;
  tutti_comm* comm = nullptr;
  ok(tutti_start(&comm, &config), nullptr);
  const std::size_t bytes = std::size_t{200'000} * 8 * static_cast<std::size_t>(q.ranks);
  static thread_local std::vector<std::byte> send, recv;  // long, and the same every time
  send.resize(bytes);
  recv.resize(bytes);
  tutti_status status = TUTTI_OK;
  std::string text;
  for (const Drawn& call : config.rank == q.wrong_rank ? q.wrong : q.right) {
    if (status == TUTTI_OK) status = call.make(comm, send.data(), recv.data());
  }
  if (status == TUTTI_OK) status = tutti_barrier(comm, nullptr);
  text = tutti_error_text(comm);
  const tutti_status end = tutti_finish(comm);
  if (status == TUTTI_OK) {
    status = end;
    text = tutti_error_text(nullptr);
  }
  expect(status == TUTTI_MISMATCH, "status " + std::to_string(status) + ": " + text);
  const auto names = [&](int rank) {
    return text.find("rank " + std::to_string(rank) + ": ") != std::string::npos;
  };
  expect(names(q.wrong_rank), text + " does not name rank " + std::to_string(q.wrong_rank));
  expect(text.find(", but rank ") != std::string::npos, text);
}

}  // namespace

// Both ranks think that they are the first call's root, so neither waits for the other. The message
// that rank 0 then sends lies unread before that of its second call, which looks just like it.
TEST_CASE("a message of an earlier call is never taken for the present one's") {
  const std::string failures = run_configs(RankKind::kThreads, 2, [](const tutti_config& config) {
    tutti_comm* comm = nullptr;
    ok(tutti_start(&comm, &config), nullptr);
    std::int64_t value = 10 + config.rank;
    ok(tutti_broadcast(&value, &value, 1, TUTTI_I64, config.rank, comm, nullptr), comm);
    value = 20 + config.rank;
    tutti_status status = tutti_broadcast(&value, &value, 1, TUTTI_I64, 0, comm, nullptr);
    std::string text = error_of(comm);
    const tutti_status end = tutti_finish(comm);
    if (config.rank ==
        0) {  // its second message is on its way: it may see nothing wrong until here
      status = end;
      text = error_of(nullptr);
      if (status == TUTTI_OK) return;
    }
    expect(status == TUTTI_MISMATCH, "status " + std::to_string(status));
    const std::string theirs = "rank 0: broadcast #1 (i64, count 1, root 0)";
    const std::string ours = "rank 1: broadcast #1 (i64, count 1, root 1)";
    expect(text.find(theirs + ", but " + ours) != std::string::npos, text);
  });
  CHECK(failures == "");
}

TEST_CASE("ranks that quarrel about a call all get an error that names two of them") {
  const std::uint64_t first = test_seed(), pairs = setting("TUTTI_MISMATCH_PAIRS", 3000);
  for (std::uint64_t pair = 0; pair < pairs; ++pair) {
    const Quarrel q = draw_quarrel(first + 1000 * pair);
    const std::string failures = run_configs(
        RankKind::kThreads, q.ranks, [&](const tutti_config& config) { quarrel(q, config); });
    INFO("pair " << pair << " of seed " << first);
    REQUIRE(failures == "");
  }
}

}  // namespace tutti::test

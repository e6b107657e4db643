// The parts of the sweep that need no ranks: what goes in and must come out, how a budget is spent,
// how samples become figures, what settings mean.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "perf/budget.h"
#include "perf/elements.h"
#include "perf/limit_kernels.h"
#include "perf/names.h"
#include "perf/settings.h"
#include "perf/statistics.h"
#include "tests/catch.h"
#include "tests/settings.h"
#include "tools/options.h"

using namespace tutti;

namespace {

ElementCase element_case(const DtypeName& dtype, const OpName* op, int ranks) {
  return {.collective = find_collective(op != nullptr ? "all_reduce" : "broadcast"),
          .dtype = &dtype,
          .op = op,
          .ranks = ranks,
          .root = ranks - 1,
          .seed = 7};
}

/// The value of one element of a type that a double holds, by the formats' definitions.
double decoded(const DtypeName& dtype, const std::byte* at) {
  const auto small = [](unsigned bits, int exponent_bits, int mantissa_bits) {
    const unsigned mantissa = bits & ((1U << mantissa_bits) - 1);
    const int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const double sign = bits >> (exponent_bits + mantissa_bits) != 0 ? -1 : 1;
    if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
    return sign * std::ldexp(mantissa + (1U << mantissa_bits), exponent - bias - mantissa_bits);
  };
  const auto read = [&]<class T>(T value) {
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  switch (dtype.value) {
    case TUTTI_I8:
      return read(std::int8_t{});
    case TUTTI_U8:
      return read(std::uint8_t{});
    case TUTTI_I32:
      return read(std::int32_t{});
    case TUTTI_U32:
      return read(std::uint32_t{});
    case TUTTI_I64:
      return static_cast<double>(read(std::int64_t{}));
    case TUTTI_U64:
      return static_cast<double>(read(std::uint64_t{}));
    case TUTTI_F16:
      return small(read(std::uint16_t{}), 5, 10);
    case TUTTI_BF16:
      return small(read(std::uint16_t{}), 8, 7);
    case TUTTI_F32:
      return static_cast<double>(read(float{}));
    case TUTTI_F64:
      return read(double{});
    case TUTTI_F8E4M3:
      return small(read(std::uint8_t{}), 4, 3);
    default:
      return small(read(std::uint8_t{}), 5, 2);
  }
}

std::vector<double> decoded_all(const DtypeName& dtype, const std::vector<std::byte>& bytes) {
  std::vector<double> values;
  const std::size_t element_bytes = tutti_dtype_size(dtype.value);
  values.reserve(bytes.size() / element_bytes);
  for (std::size_t at = 0; at < bytes.size(); at += element_bytes)
    values.push_back(decoded(dtype, &bytes[at]));
  return values;
}

double combined(const OpName& op, double a, double b) {
  switch (op.value) {
    case TUTTI_PROD:
      return a * b;
    case TUTTI_MIN:
      return std::min(a, b);
    case TUTTI_MAX:
      return std::max(a, b);
    default:
      return a + b;
  }
}

}  // namespace

TEST_CASE("expected elements are what the inputs add up to, for every type, op and world") {
  const auto most = static_cast<int>(test::setting("TUTTI_PERF_RANKS", 64));
  for (const DtypeName& dtype : dtype_names()) {
    for (const OpName& op : op_names()) {
      if (op.bitwise) continue;
      for (const int ranks : {1, 2, 3, 5, 8, 64}) {
        if (ranks > most) continue;
        CAPTURE(std::string(dtype.name), std::string(op.name), ranks);
        const ElementCase of = element_case(dtype, &op, ranks);
        std::vector<double> total;
        for (int rank = 0; rank < ranks; ++rank) {
          auto values = decoded_all(dtype, element_inputs(of, rank));
          if (op.value == 0) {
            const double scalar = decoded(dtype, element_scalar(dtype, rank).data());
            for (double& value : values) value *= scalar;
          }
          if (rank == 0) {
            total = values;
            continue;
          }
          for (std::size_t i = 0; i < total.size(); ++i)
            total[i] = combined(op, total[i], values[i]);
        }
        const auto expected = decoded_all(dtype, element_results(of, of.ranks));
        bool same = true;
        bool exact = true;  // no order of summation leaves the exact integers of the type
        for (std::size_t i = 0; i < total.size(); ++i) {
          const double result =
              op.value == TUTTI_AVG
                  ? (dtype.floating ? total[i] / ranks : std::trunc(total[i] / ranks))
                  : total[i];
          same = same && result == expected[i];
          exact = exact && std::abs(total[i]) <= static_cast<double>(dtype.exact);
        }
        CHECK(same);
        CHECK(exact);
      }
    }
  }
}

TEST_CASE("expected bits are what the bitwise ops make of the inputs") {
  for (const char* name : {"band", "bor", "bxor"}) {
    const ElementCase of = element_case(*find_dtype("u64"), find_op(name), 3);
    const auto a = element_inputs(of, 0);
    const auto b = element_inputs(of, 1);
    const auto c = element_inputs(of, 2);
    const auto expected = element_results(of, of.ranks);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const std::byte bits = of.op->value == TUTTI_BAND  ? a[i] & b[i] & c[i]
                             : of.op->value == TUTTI_BOR ? a[i] | b[i] | c[i]
                                                         : a[i] ^ b[i] ^ c[i];
      wrong += bits != expected[i] ? 1U : 0U;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a broadcast leaves the root's elements, which are nobody else's") {
  const ElementCase of = element_case(*find_dtype("f32"), nullptr, 3);
  const ElementResults results(of, 0);
  CHECK(results.count_wrong(element_inputs(of, of.root), kElementPeriod) == 0);
  CHECK(results.count_wrong(element_inputs(of, 0), kElementPeriod) > kElementPeriod / 2);
}

TEST_CASE("inputs differ by rank and by seed") {
  ElementCase of = element_case(*find_dtype("f32"), find_op("sum"), 2);
  const auto first = element_inputs(of, 0);
  CHECK(first != element_inputs(of, 1));
  of.seed += 1;
  CHECK(first != element_inputs(of, 0));
}

TEST_CASE("every wrong element is counted, once, wherever it is") {
  const ElementCase of = element_case(*find_dtype("f32"), find_op("sum"), 2);
  const auto period = element_results(of, of.ranks);
  std::vector<std::byte> array(4 * (2 * kElementPeriod + 11));
  fill_elements(array, period);
  CHECK(count_wrong_elements(array, period, 4) == 0);
  array[0] ^= std::byte{1};
  array[3] ^= std::byte{1};  // the same element
  array[4 * kElementPeriod] ^= std::byte{1};
  array.back() ^= std::byte{1};
  CHECK(count_wrong_elements(array, period, 4) == 3);
}

TEST_CASE("a chunk in the wrong place does not look right") {
  const ElementCase of = element_case(*find_dtype("f32"), find_op("sum"), 4);
  const auto period = element_results(of, of.ranks);
  std::vector<std::byte> array(1 << 20);
  fill_elements(array, period);
  const std::size_t quarter = array.size() / 4;
  std::memcpy(&array[quarter], &array[2 * quarter], quarter);
  CHECK(count_wrong_elements(array, period, 4) > quarter / 4 / 2);
}

TEST_CASE("quantiles are samples, by nearest rank") {
  std::vector<double> samples(200);
  std::iota(samples.begin(), samples.end(), 1);
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 2, 3}) == 2);
  CHECK(median({5}) == 5);
  CHECK(percentile_99(samples) == 198);
  samples.resize(kSamplesForP99 - 1);
  CHECK_FALSE(percentile_99(samples).has_value());
}

TEST_CASE("the ranks' times become one as -a says") {
  const std::vector<double> by_rank{2, 1, 6};
  CHECK(combine_ranks(by_rank, Average::kRank0) == 2);
  CHECK(combine_ranks(by_rank, Average::kMean) == 3);
  CHECK(combine_ranks(by_rank, Average::kMin) == 1);
  CHECK(combine_ranks(by_rank, Average::kMax) == 6);
}

TEST_CASE("groups share the budget by weight, and what one leaves goes to the later ones") {
  Budget budget(100, {1, 1, 2});
  CHECK(budget.next_share(0) == Approx(25));
  CHECK(budget.next_share(10) == Approx(30));  // 90 left for 1 + 2
  CHECK(budget.next_share(101) == Approx(0));  // overrun
  CHECK(budget.next_share(0) == Approx(0));    // there is no fourth
}

TEST_CASE("a cell's plan fits its share, and short calls are taken many at a time") {
  for (const double call_s : {2e-7, 1e-5, 1e-3, 0.02}) {
    for (const double share_s : {0.001, 0.05, 1.0}) {
      CAPTURE(call_s, share_s);
      const CellPlan plan = plan_cell(call_s, share_s, 0);
      const double taken_s = plan.rounds * plan.calls * call_s + plan.samples * (call_s + 2e-6);
      CHECK(plan.rounds >= 1);
      CHECK(taken_s <= std::max(share_s, call_s) * 1.01);
    }
  }
  CHECK(plan_cell(1e-6, 0.05, 0).samples >= static_cast<int>(kSamplesForP99));
  CHECK(plan_cell(1e-6, 0.05, 0).calls > 1);
  CHECK(plan_cell(1e-6, 0, 0).calls > 1);  // even with nothing left: single calls tell nothing
}

TEST_CASE("a cell that gets too little time says so") {
  const CellPlan plan = plan_cell(0.1, 0.25, 0);
  CHECK(plan.rounds == 2);
  CHECK(plan.reduced);
  CHECK_FALSE(plan_cell(1e-6, 0.05, 0).reduced);
}

TEST_CASE("the user's calls per turn are kept to") {
  CHECK(plan_cell(1e-3, 1e-3, 20).calls == 20);
  CHECK(plan_cell(1e-6, 1, 20).calls == 20);
}

TEST_CASE("sizes grow by the factor or by the step, both ends included") {
  SweepSettings settings;
  settings.min_bytes = 8;
  settings.max_bytes = 64;
  CHECK(sweep_sizes(settings) == std::vector<std::size_t>{8, 16, 32, 64});
  settings.step_bytes = 28;
  CHECK(sweep_sizes(settings) == std::vector<std::size_t>{8, 36, 64});
  settings.step_bytes = 0;
  settings.min_bytes = 0;
  settings.max_bytes = 2;
  CHECK(sweep_sizes(settings) == std::vector<std::size_t>{0, 1, 2});
  settings.collective = "barrier";
  CHECK(sweep_sizes(settings) == std::vector<std::size_t>{0});
}

TEST_CASE("the size of blocks is that of all ranks' together, at least one element each") {
  const CollectiveName& whole = *find_collective("all_reduce");
  const CollectiveName& blocks = *find_collective("all_gather");
  CHECK(block_count(whole, 15, 4, 3) == 3);
  CHECK(block_count(blocks, 35, 4, 3) == 2);
  CHECK(block_count(blocks, 8, 4, 3) == 1);
  CHECK(block_count(blocks, 0, 4, 3) == 0);
  SweepSettings settings;
  settings.collective = "all_gather";
  settings.min_bytes = settings.max_bytes = 8;
  CHECK(largest_array(settings, 3) == 24);
  settings.max_bytes = 1000;
  CHECK(largest_array(settings, 3) == 512);
  settings.collective = "all";
  CHECK(parts_of(settings).size() == collective_names().size());
}

TEST_CASE("one wrong element is found wherever it is, in every collective") {
  constexpr int kRanks = 3, kRank = 1;
  constexpr std::size_t kCount = 20'000;  // more than a period
  for (const CollectiveName& collective : collective_names()) {
    if (!collective.moves_data()) continue;
    CAPTURE(std::string(collective.name));
    const ElementCase of{.collective = &collective,
                         .dtype = find_dtype("i32"),
                         .op = collective.reduces ? find_op("sum") : nullptr,
                         .ranks = kRanks,
                         .root = kRank,
                         .seed = 7};
    const auto blocks = static_cast<std::size_t>(blocks_in(collective.output, kRanks, true));
    const int summed = collective.scans ? kRank + (collective.to_self ? 1 : 0) : kRanks;
    std::vector<std::byte> output;
    for (std::size_t block = 0; block < blocks; ++block) {
      const bool from_vector = collective.is_in_vectors() && collective.input != Holds::kBlock;
      std::vector<std::byte> source(kRanks * kCount * 4);
      const int sender = collective.rooted && blocks == 1 ? of.root : static_cast<int>(block);
      fill_elements(source,
                    collective.reduces ? element_results(of, summed) : element_inputs(of, sender));
      const auto* const begin = source.data() + (from_vector ? kRank * kCount * 4 : 0);
      output.insert(output.end(), begin, begin + kCount * 4);
    }
    const ElementResults results(of, kRank);
    REQUIRE(results.count_wrong(output, kCount) == 0);
    for (const std::size_t at : {std::size_t{0}, kCount * 4 - 1, output.size() - 1}) {
      output[at] ^= std::byte{1};
      CHECK(results.count_wrong(output, kCount) == 1);
      output[at] ^= std::byte{1};
    }
    if (blocks == 1) continue;
    std::swap_ranges(output.begin(), output.begin() + kCount * 4, output.begin() + kCount * 4);
    CHECK(results.count_wrong(output, kCount) > kCount);  // two blocks in the other order
  }
}

TEST_CASE("all types with all ops leave out what does not exist") {
  SweepSettings settings;
  settings.dtypes = {"all"};
  settings.ops = {"all"};
  CHECK(sweep_arithmetics(settings).size() == 6 * 9 + 6 * 6);
  settings.ops = {"band"};
  CHECK(sweep_arithmetics(settings).size() == 6);
  settings.dtypes = {"f32"};
  CHECK_THROWS_AS(sweep_arithmetics(settings), UsageError);
}

TEST_CASE("settings survive the way to the ranks") {
  SweepSettings settings;
  settings.collective = "broadcast";
  settings.ranks = {3};
  settings.seed = std::numeric_limits<std::uint64_t>::max();
  settings.registered = Forms::kYes;
  settings.in_place = Forms::kNo;
  settings.algorithms = {"binomial"};
  settings.timeout_s = 1.5;
  const nlohmann::json json = settings;
  CHECK(nlohmann::json(nlohmann::json::parse(json.dump()).get<SweepSettings>()) == json);
}

TEST_CASE("the limit's kernels sum all inputs into all outputs, with either kind of store") {
  constexpr std::size_t kCount = 4 * kLimitBlock;
  for (const Store store : {Store::kCached, Store::kStreaming}) {
    alignas(64) float a[kCount], b[kCount], c[kCount], sum[kCount], copy[kCount];
    for (std::size_t i = 0; i < kCount; ++i) {
      a[i] = static_cast<float>(i);
      b[i] = 1;
      c[i] = 10;
      sum[i] = copy[i] = -1;
    }
    limit_pass(std::vector<const float*>{a, b, c}, std::vector<float*>{sum, copy}, kLimitBlock,
               3 * kLimitBlock, store);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < kCount; ++i) {
      const bool within = i >= kLimitBlock && i < 3 * kLimitBlock;
      const float expected = within ? static_cast<float>(i) + 11 : -1;
      wrong += sum[i] != expected || copy[i] != expected ? 1U : 0U;
    }
    CHECK(wrong == 0);
  }
}

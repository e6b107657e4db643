// Every algorithm × ranks × counts × dtypes × ops × memory × in place, through the C API, with
// ranks as threads and as processes. A new row in the table of algorithms is tested without a
// change here.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "collectives/algorithms.h"
#include "kernels/reduce.h"
#include "tests/captured_stderr.h"
#include "tests/catch.h"
#include "tests/ranks.h"
#include "tests/settings.h"
#include "tutti/tutti.h"

namespace {

using namespace tutti;
using namespace tutti::test;

const int kMaxRanks = static_cast<int>(setting("TUTTI_COLLECTIVES_RANKS", 9));

// Small numbers, so that sums and products of nine ranks are exact in every dtype and in any order.
int small_value(tutti_op op, int rank, std::size_t e) {
  const auto index = static_cast<int>(e % 977);
  if (op == TUTTI_PROD) return (rank + index) % 4 == 0 ? 2 : 1;
  if (op == TUTTI_SUM || op == TUTTI_AVG) return (rank + index) % 2;
  return (rank * 5 + index) % 8;
}

template <typename T>
void store(std::byte* to, std::size_t e, T value) {
  std::memcpy(to + e * sizeof value, &value, sizeof value);
}

void store_number(std::byte* to, std::size_t e, Dtype dtype, int value) {
  // 8- and 16-bit floats of 0 … 7: sign 0, exponent and mantissa of the number.
  constexpr std::uint16_t kF16[] = {0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700};
  constexpr std::uint16_t kBf16[] = {0, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0};
  constexpr std::uint8_t kE4m3[] = {0, 0x38, 0x40, 0x44, 0x48, 0x4a, 0x4c, 0x4e};
  constexpr std::uint8_t kE5m2[] = {0, 0x3c, 0x40, 0x42, 0x44, 0x45, 0x46, 0x47};
  switch (dtype) {
    case Dtype::kI8:
      return store(to, e, static_cast<std::int8_t>(value));
    case Dtype::kU8:
      return store(to, e, static_cast<std::uint8_t>(value));
    case Dtype::kI32:
      return store(to, e, value);
    case Dtype::kU32:
      return store(to, e, static_cast<std::uint32_t>(value));
    case Dtype::kI64:
      return store(to, e, static_cast<std::int64_t>(value));
    case Dtype::kU64:
      return store(to, e, static_cast<std::uint64_t>(value));
    case Dtype::kF16:
      return store(to, e, kF16[value]);
    case Dtype::kF32:
      return store(to, e, static_cast<float>(value));
    case Dtype::kF64:
      return store(to, e, static_cast<double>(value));
    case Dtype::kBF16:
      return store(to, e, kBf16[value]);
    case Dtype::kF8E4M3:
      return store(to, e, kE4m3[value]);
    case Dtype::kF8E5M2:
      return store(to, e, kE5m2[value]);
    case Dtype::kF32I32:
    case Dtype::kF64I32:
      break;  // ops_test has them
  }
}

std::vector<std::byte> input_of(tutti_op op, Dtype dtype, int rank, std::size_t count) {
  std::vector<std::byte> values(count * size_of(dtype));
  for (std::size_t e = 0; e < count; ++e) {
    store_number(values.data(), e, dtype, small_value(op, rank, e));
  }
  return values;
}

Combine combine_of(tutti_op op) {
  switch (op) {
    case TUTTI_PROD:
      return Combine::kProd;
    case TUTTI_MIN:
      return Combine::kMin;
    case TUTTI_MAX:
      return Combine::kMax;
    case TUTTI_BAND:
      return Combine::kBand;
    case TUTTI_BOR:
      return Combine::kBor;
    case TUTTI_BXOR:
      return Combine::kBxor;
    default:
      return Combine::kSum;
  }
}

// What the inputs of all ranks together must give: the kernels are checked elsewhere.
std::vector<std::byte> combined(tutti_op op, Dtype dtype, std::size_t count,
                                const std::vector<std::vector<std::byte>>& inputs) {
  const std::size_t ranks = inputs.size();
  std::vector<const void*> sources;
  for (const auto& input : inputs) sources.push_back(input.data());
  std::vector<std::byte> result(count * size_of(dtype));
  const Finish finish{op == TUTTI_AVG ? static_cast<std::uint32_t>(ranks) : 1};
  reduce_kernel(dtype, combine_of(op), ReduceShape::kFold)(
      result.data(), sources.data(), sources.size(), count, finish, Stores::kCached);
  return result;
}

struct Example {
  std::vector<std::byte> input, expected;
};

// One rank of a world. It keeps its examples: there are few, and to make one takes longer than the
// calls that use it.
struct Member {
  const int rank, ranks;
  tutti_comm* const comm;
  std::map<std::tuple<tutti_op, Dtype, std::size_t>, Example> examples{};

  const Example& example(tutti_op op, Dtype dtype, std::size_t count) {
    Example& e = examples[{op, dtype, count}];
    if (!e.expected.empty()) return e;
    std::vector<std::vector<std::byte>> inputs;
    for (int r = 0; r < ranks; ++r) inputs.push_back(input_of(op, dtype, r, count));
    e = {inputs[static_cast<std::size_t>(rank)], combined(op, dtype, count, inputs)};
    return e;
  }
};

// Memory of one of the two kinds, released at the end.
class Memory {
 public:
  Memory(bool registered, std::size_t bytes, tutti_comm* comm) : comm_(comm) {
    if (registered)
      ok(tutti_alloc(&registered_, bytes, comm), comm);
    else
      own_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
  }
  ~Memory() { tutti_free(registered_, comm_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::byte* data() {
    return registered_ != nullptr ? static_cast<std::byte*>(registered_) : own_.get();
  }

 private:
  tutti_comm* comm_;
  void* registered_ = nullptr;
  std::unique_ptr<std::byte[]> own_;
};

struct Case {
  const char* algorithm;
  Dtype dtype;
  tutti_op op;
  std::size_t count;
  bool in_place, registered;
};

std::string name_of(const Case& c) {
  return std::string(c.algorithm == nullptr ? "chosen" : c.algorithm) + " " +
         std::string(tutti::name_of(c.dtype)) + " op " + std::to_string(c.op) + " count " +
         std::to_string(c.count) + (c.in_place ? " in place" : "") +
         (c.registered ? " registered" : "");
}

// memcmp() takes no null pointer, not even of nothing.
bool holds(const std::byte* memory, const std::vector<std::byte>& bytes) {
  return bytes.empty() || std::memcmp(memory, bytes.data(), bytes.size()) == 0;
}

void check_all_reduce(const Case& c, Member& member) {
  const auto& [input, expected] = member.example(c.op, c.dtype, c.count);
  tutti_comm* const comm = member.comm;
  Memory send(c.registered, input.size() + 1, comm), recv(c.registered, input.size() + 1, comm);
  std::byte* const from = c.in_place ? recv.data() : send.data();
  std::copy(input.begin(), input.end(), from);
  tutti_options options = TUTTI_OPTIONS_INIT;
  options.algorithm = c.algorithm;
  ok(tutti_all_reduce(from, recv.data(), c.count, static_cast<tutti_dtype>(c.dtype), c.op, comm,
                      &options),
     comm);
  expect(holds(recv.data(), expected), name_of(c) + ": wrong result");
  if (!c.in_place) expect(holds(from, input), name_of(c) + ": input changed");
}

std::vector<std::size_t> awkward_counts(int ranks) {
  const auto p = static_cast<std::size_t>(ranks);
  return {0, 1, p - 1, p, p + 1, 2 * p + 3, 1000, 70'001};
}

// All counts and both memories with f32 sums; in place on a pattern of ranks, so that mixes occur.
void sweep_counts(const char* algorithm, Member& member) {
  int turn = 0;
  for (const std::size_t count : awkward_counts(member.ranks)) {
    for (const bool registered : {false, true}) {
      for (int mix = 0; mix < 3; ++mix) {
        const bool in_place = mix == 0 ? false : mix == 1 ? true : (member.rank + turn) % 2 == 0;
        check_all_reduce({algorithm, Dtype::kF32, TUTTI_SUM, count, in_place, registered}, member);
        ++turn;
      }
    }
  }
}

void sweep_types(const char* algorithm, Member& member) {
  for (int d = 0; d < kDtypes; ++d) {
    const auto dtype = static_cast<Dtype>(d);
    for (tutti_op op = TUTTI_SUM; op <= TUTTI_BXOR; ++op) {
      if (!supports(dtype, combine_of(op))) continue;
      check_all_reduce({algorithm, dtype, op, 131, d % 2 == 0, op % 2 == 0}, member);
    }
  }
}

void sweep_all_reduce(RankKind kind, int ranks) {
  const std::string failures = run_ranks(kind, ranks, [&](int rank, tutti_comm* comm) {
    Member member{rank, ranks, comm};
    for (const Variant& variant : variants(Collective::kAllReduce, ranks)) {
      const std::string name = variant.name();
      sweep_counts(name.c_str(), member);
      sweep_types(name.c_str(), member);
    }
    sweep_counts(nullptr, member);
  });
  CHECK(failures == "");
}

void reduce_9_mib(RankKind kind) {
  const std::string failures = run_ranks(kind, 3, [&](int rank, tutti_comm* comm) {
    Member member{rank, 3, comm};
    for (const Variant& variant : variants(Collective::kAllReduce, 3)) {
      const std::string name = variant.name();
      for (const bool registered : {false, true}) {
        check_all_reduce(
            {name.c_str(), Dtype::kF32, TUTTI_SUM, (9u << 18) + 13, !registered, registered},
            member);
      }
    }
  });
  CHECK(failures == "");
}

void sweep_broadcast(RankKind kind, int ranks) {
  const std::string failures = run_ranks(kind, ranks, [&](int rank, tutti_comm* comm) {
    for (const Variant& variant : variants(Collective::kBroadcast, ranks)) {
      const std::string name = variant.name();
      tutti_options options = TUTTI_OPTIONS_INIT;
      options.algorithm = name.c_str();
      for (int root = 0; root < ranks; ++root) {
        for (const std::size_t count : awkward_counts(ranks)) {
          std::vector<std::int32_t> send(count + 1, root), recv(count + 1, -1);
          const bool in_place = rank == root && count % 2 == 1;
          if (in_place) recv = send;
          ok(tutti_broadcast(in_place       ? recv.data()
                             : rank == root ? send.data()
                                            : nullptr,
                             recv.data(), count, TUTTI_I32, root, comm, &options),
             comm);
          std::vector<std::int32_t> expected(count, root);
          expect(std::equal(expected.begin(), expected.end(), recv.begin()),
                 name + " root " + std::to_string(root) + ": wrong result");
          expect(recv[count] == (in_place ? root : -1), name + ": wrote past the end");
        }
      }
    }
  });
  CHECK(failures == "");
}

}  // namespace

TEST_CASE("all_reduce is right for every algorithm with ranks as threads") {
  for (int ranks = 1; ranks <= kMaxRanks; ++ranks) sweep_all_reduce(RankKind::kThreads, ranks);
}

TEST_CASE("all_reduce is right for every algorithm with ranks as processes", "[processes]") {
  for (int ranks = 1; ranks <= kMaxRanks; ++ranks) sweep_all_reduce(RankKind::kProcesses, ranks);
}

TEST_CASE("broadcast gives every rank the root's data, whatever the root") {
  for (int ranks = 1; ranks <= kMaxRanks; ++ranks) sweep_broadcast(RankKind::kThreads, ranks);
}

TEST_CASE("broadcast works between processes", "[processes]") {
  for (int ranks = 1; ranks <= 5; ++ranks) sweep_broadcast(RankKind::kProcesses, ranks);
}

TEST_CASE("all_reduce of 9 MiB crosses every size of tile, and stores past the cache: threads") {
  reduce_9_mib(RankKind::kThreads);
}

TEST_CASE("all_reduce of 9 MiB crosses every size of tile, and stores past the cache: processes",
          "[processes]") {
  reduce_9_mib(RankKind::kProcesses);
}

TEST_CASE("pre-scaled sums apply each rank's scalar once, in every algorithm") {
  for (const int ranks : {1, 2, 3, 5, 8}) {
    const std::string failures =
        run_ranks(RankKind::kThreads, ranks, [&](int rank, tutti_comm* comm) {
          const float scalar = static_cast<float>(rank + 2);
          tutti_op op = 0;
          ok(tutti_op_create_pre_scaled(&op, &scalar, TUTTI_F32, comm), comm);
          for (const Variant& variant : variants(Collective::kAllReduce, ranks)) {
            const std::string name = variant.name();
            tutti_options options = TUTTI_OPTIONS_INIT;
            options.algorithm = name.c_str();
            for (const bool in_place : {false, true}) {
              std::vector<float> send(1001, 1.0F), recv(1001, 0.0F);
              if (in_place) recv = send;
              ok(tutti_all_reduce(in_place ? recv.data() : send.data(), recv.data(), recv.size(),
                                  TUTTI_F32, op, comm, &options),
                 comm);
              float expected = 0;
              for (int r = 0; r < ranks; ++r) expected += static_cast<float>(r + 2);
              expect(recv == std::vector<float>(1001, expected), name + ": wrong result");
              expect(in_place || send == std::vector<float>(1001, 1.0F), name + ": input changed");
            }
          }
          ok(tutti_op_free(op, comm), comm);
        });
    CHECK(failures == "");
  }
}

TEST_CASE("rank 0 says once what it chose where TUTTI_LOG is info or debug, and else nothing") {
  for (const char* level : {"info", "debug", "warn"}) {
    CAPTURE(level);
    const CapturedStderr said;
    setenv("TUTTI_LOG", level, 1);
    const std::string failures = run_ranks(RankKind::kThreads, 2, [](int, tutti_comm* comm) {
      float x = 1;
      for (int call = 0; call < 3; ++call)
        ok(tutti_all_reduce(&x, &x, 1, TUTTI_F32, TUTTI_SUM, comm, nullptr), comm);
    });
    unsetenv("TUTTI_LOG");
    CHECK(failures == "");
    INFO(said.text());
    CHECK(said.count(": all_reduce #1 (sum, f32, count 1): ") ==
          (std::string(level) == "warn" ? 0 : 1));
  }
}

TEST_CASE("barrier holds every rank until the last one has come") {
  for (int ranks = 1; ranks <= kMaxRanks; ++ranks) {
    std::atomic<int> arrived{0};
    const std::string failures = run_ranks(RankKind::kThreads, ranks, [&](int, tutti_comm* comm) {
      for (int round = 1; round <= 50; ++round) {
        arrived.fetch_add(1);
        ok(tutti_barrier(comm, nullptr), comm);
        expect(arrived.load() >= round * ranks, "barrier let a rank through too early");
        ok(tutti_barrier(comm, nullptr), comm);
      }
    });
    CHECK(failures == "");
  }
}

// Ops that the caller defines, and those with an index: right in every algorithm that may serve
// them, in rank order where that matters; and scaled once.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/reduce_reference.h"
#include "tests/catch.h"
#include "tests/kernel_operands.h"
#include "tests/ranks.h"
#include "tests/reductions.h"
#include "tutti/tutti.h"

namespace tutti::test {
namespace {

void check(const Reduction& r, int rank, const Bytes& input, const Bytes& expected,
           tutti_comm* comm) {
  expect(r.gives(expected, rank, input, comm), r.name() + ": wrong result, or input changed");
}

// ---- Functions ----------------------------------------------------------------------------------

// An element is the function x ↦ a·x + b modulo 2³²; `in` is applied first. That does not commute.
struct Affine {
  std::uint32_t a, b;
};

Affine then(const Affine& first, const Affine& second) {
  return {first.a * second.a, second.a * first.b + second.b};
}

struct Seen {
  std::uint64_t calls = 0, wrong = 0;
};

void compose(const void* in, void* inout, std::size_t count, tutti_dtype dtype, void* context) {
  auto* const seen = static_cast<Seen*>(context);
  ++seen->calls;
  if (dtype != TUTTI_U64 || count == 0 || reinterpret_cast<std::uintptr_t>(in) % 64 != 0 ||
      reinterpret_cast<std::uintptr_t>(inout) % 64 != 0)
    ++seen->wrong;
  const auto* const first = static_cast<const Affine*>(in);
  auto* const second = static_cast<Affine*>(inout);
  for (std::size_t e = 0; e < count; ++e) second[e] = then(first[e], second[e]);
}

Bytes affine_input(int rank, std::size_t count) {
  std::vector<Affine> elements(count);
  for (std::size_t e = 0; e < count; ++e)
    elements[e] = {static_cast<std::uint32_t>(2 * e + 3) + static_cast<std::uint32_t>(rank) * 2,
                   static_cast<std::uint32_t>(e * 7919 + static_cast<std::size_t>(rank))};
  Bytes bytes(count * sizeof(Affine));
  if (count > 0) std::memcpy(bytes.data(), elements.data(), bytes.size());
  return bytes;
}

// Of all ranks, in their order.
Bytes composed(int ranks, std::size_t count) {
  Bytes result = affine_input(0, count);
  auto* const so_far = reinterpret_cast<Affine*>(result.data());
  for (int r = 1; r < ranks; ++r) {
    const Bytes input = affine_input(r, count);
    const auto* const next = reinterpret_cast<const Affine*>(input.data());
    for (std::size_t e = 0; e < count; ++e) so_far[e] = then(so_far[e], next[e]);
  }
  return result;
}

void compose_everywhere(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  Seen seen;
  tutti_op op = 0;
  ok(tutti_op_create(&op, compose, &seen, 0, comm), comm);
  for (const Collective collective : kReducing) {
    for (const int root : {0, ranks - 1}) {
      for (const std::size_t count : {0U, 1U, 7U, 1000U, 20'011U}) {
        Reduction r{collective, Dtype::kU64, op, count, root};
        const Bytes input = affine_input(rank, r.input_count(ranks));
        const Bytes expected = composed(ranks, r.input_count(ranks));
        const auto one = [&](const char* algorithm, bool serves) {
          r.algorithm = algorithm;
          r.in_place = (count + static_cast<std::size_t>(rank)) % 2 == 1;
          if (serves) return check(r, rank, input, expected, comm);
          Bytes recv(input.size() + 1);
          expect(r.call(input.data(), recv.data(), comm) == TUTTI_INVALID,
                 r.name() + ": not refused");
          const std::string text = tutti_error_text(comm);
          expect(text.find("does not combine in rank order, which an op needs that does not "
                           "commute; those that do: ") != std::string::npos,
                 text);
        };
        each_algorithm({.collective = collective, .root = root}, {.commutative = false}, ranks,
                       one);
      }
    }
  }
  expect(seen.wrong == 0, "the function was given something wrong");
  expect((seen.calls > 0) == (ranks > 1), "the function was called " + std::to_string(seen.calls));
  ok(tutti_op_free(op, comm), comm);
}

// A sum, of any dtype that it knows.
void add_up(const void* in, void* inout, std::size_t count, tutti_dtype dtype, void* /*context*/) {
  const void* const sources[] = {in, inout};
  reduce_reference(static_cast<Dtype>(dtype), Combine::kSum, ReduceShape::kFold)(
      inout, sources, 2, count, {}, Stores::kCached);
}

Bytes small_numbers(Dtype dtype, int rank, std::size_t count) {
  Bytes bytes(count * size_of(dtype));
  for (std::size_t e = 0; e < count; ++e) {
    const auto number = static_cast<std::int32_t>((e + static_cast<std::size_t>(rank)) % 5);
    if (dtype == Dtype::kF64) {
      const double value = number;
      std::memcpy(bytes.data() + e * sizeof value, &value, sizeof value);
    } else {
      std::memcpy(bytes.data() + e * size_of(dtype), &number, size_of(dtype));
    }
  }
  return bytes;
}

Bytes reduced(Dtype dtype, Combine combine, std::uint32_t divisor, const std::vector<Bytes>& in) {
  std::vector<const void*> sources;
  for (const Bytes& bytes : in) sources.push_back(bytes.data());
  Bytes result(in[0].size());
  reduce_reference(dtype, combine, ReduceShape::kFold)(result.data(), sources.data(), in.size(),
                                                       result.size() / size_of(dtype), {divisor},
                                                       Stores::kCached);
  return result;
}

void add_up_everywhere(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  tutti_op op = 0;
  ok(tutti_op_create(&op, add_up, nullptr, 1, comm), comm);
  for (const Dtype dtype : {Dtype::kI8, Dtype::kF64}) {
    for (const Collective collective : kReducing) {
      Reduction r{collective, dtype, op, 5001};
      std::vector<Bytes> inputs;
      for (int k = 0; k < ranks; ++k)
        inputs.push_back(small_numbers(dtype, k, r.input_count(ranks)));
      const Bytes expected = reduced(dtype, Combine::kSum, 1, inputs);
      each_algorithm({.collective = collective}, {}, ranks,
                     [&](const char* algorithm, bool /*serves*/) {
                       r.algorithm = algorithm;
                       r.in_place = !r.in_place;
                       check(r, rank, inputs[static_cast<std::size_t>(rank)], expected, comm);
                     });
    }
  }
}

// ---- Pairs --------------------------------------------------------------------------------------

void take_pairs_everywhere(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  for (const Dtype dtype : {Dtype::kF32I32, Dtype::kF64I32}) {
    for (const tutti_op op : {TUTTI_MIN_INDEX, TUTTI_MAX_INDEX}) {
      const Combine combine = op == TUTTI_MIN_INDEX ? Combine::kMinIndex : Combine::kMaxIndex;
      for (const Collective collective : kReducing) {
        for (const std::size_t count : {0U, 1U, 20U, 9001U}) {
          Reduction r{collective, dtype, op, count, ranks - 1};
          const std::size_t elements = r.input_count(ranks);
          std::vector<Bytes> inputs;
          Random random(test_seed());
          Arrays arrays(dtype, static_cast<std::size_t>(ranks), elements, 0);
          arrays.fill(random);
          for (std::size_t k = 0; k < static_cast<std::size_t>(ranks); ++k)
            inputs.emplace_back(arrays[k], arrays[k] + arrays.bytes());
          const Bytes expected = reduced(dtype, combine, 1, inputs);
          each_algorithm({.collective = collective}, {}, ranks,
                         [&](const char* algorithm, bool /*serves*/) {
                           r.algorithm = algorithm;
                           r.in_place = !r.in_place;
                           check(r, rank, inputs[static_cast<std::size_t>(rank)], expected, comm);
                         });
        }
      }
    }
  }
}

// Every block holds its sender's rank and the receiver's, so that none goes astray.
void move_pairs(int rank, tutti_comm* comm) {
  struct Wide {
    double value;
    std::int32_t index, padding;
  };
  const int ranks = size_of(comm);
  const std::size_t count = 1237, n = static_cast<std::size_t>(ranks);
  std::vector<Wide> send(n * count), recv(n * count);
  for (std::size_t e = 0; e < send.size(); ++e)
    send[e] = {static_cast<double>(rank), static_cast<std::int32_t>(e / count), 77};
  ok(tutti_all_to_all(send.data(), recv.data(), count, TUTTI_F64_I32, comm, nullptr), comm);
  for (std::size_t e = 0; e < recv.size(); ++e)
    expect(static_cast<std::size_t>(recv[e].value) == e / count && recv[e].index == rank &&
               recv[e].padding == 77,
           "all_to_all moved element " + std::to_string(e) + " wrongly");
  ok(tutti_all_gather(send.data(), recv.data(), count, TUTTI_F64_I32, comm, nullptr), comm);
  for (std::size_t e = 0; e < recv.size(); ++e)
    expect(static_cast<std::size_t>(recv[e].value) == e / count, "all_gather went wrong");
  ok(tutti_broadcast(send.data(), recv.data(), count, TUTTI_F64_I32, ranks - 1, comm, nullptr),
     comm);
  expect(static_cast<int>(recv[count - 1].value) == ranks - 1, "broadcast went wrong");
}

// ---- Scaling ------------------------------------------------------------------------------------

// Rank r's scalar is r + 1. Averages are of whole multiples of the ranks.
void scale_everywhere(int rank, tutti_comm* comm) {
  const int ranks = size_of(comm);
  const float scalar = static_cast<float>(rank + 1);
  tutti_op scaled = 0;
  ok(tutti_op_create_pre_scaled(&scaled, &scalar, TUTTI_F32, comm), comm);
  for (const tutti_op op : {TUTTI_AVG, scaled}) {
    for (const Collective collective : kReducing) {
      for (const int root : {0, ranks - 1}) {
        Reduction r{collective, Dtype::kF32, op, 1003, root};
        const std::size_t elements = r.input_count(ranks);
        const auto input = [&](float value) {
          const std::vector<float> values(elements, value);
          Bytes bytes(elements * sizeof value);
          std::memcpy(bytes.data(), values.data(), bytes.size());
          return bytes;
        };
        const auto n = static_cast<float>(ranks);
        const Bytes expected = input(op == TUTTI_AVG ? 3 : 3 * n * (n + 1) / 2);
        const ReduceOp kind{.pre_scaled = op == scaled};
        each_algorithm({.collective = collective, .root = root}, kind, ranks,
                       [&](const char* name, bool /*serves*/) {
                         r.algorithm = name;
                         r.in_place = !r.in_place;
                         check(r, rank, input(3), expected, comm);
                       });
      }
    }
  }
}

}  // namespace

TEST_CASE("an op that does not commute keeps the ranks' order, in every algorithm that may serve") {
  on_all_worlds(compose_everywhere);
}

TEST_CASE("an op that commutes is right in every algorithm") { on_all_worlds(add_up_everywhere); }

TEST_CASE("min and max with index are right in every algorithm") {
  test_seed();  // one for all processes
  on_all_worlds(take_pairs_everywhere);
}

TEST_CASE("pairs are moved whole") { on_all_worlds(move_pairs); }

TEST_CASE("averages and pre-scaled sums are scaled once, in every collective and algorithm") {
  on_all_worlds(scale_everywhere);
}

}  // namespace tutti::test

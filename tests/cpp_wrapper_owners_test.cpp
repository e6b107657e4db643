// tutti.hpp: what owns something: requests, groups, communicators, memory, ops; and element types.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/cpp_wrapper_kit.h"

namespace half {
struct Half {
  std::uint16_t bits;
};
}  // namespace half

template <>
inline constexpr tutti_dtype tutti::cpp::dtype_of<half::Half> = TUTTI_F16;

namespace {

using namespace tutti::cpp;
using namespace tutti::test;

TEST_CASE("the wrapper's requests wait, and end when they go") {
  on_all_worlds([](Communicator& comm) {
    std::vector<Elements> data(6, sent_by(comm.rank(), 50));
    const Elements sum = sum_of_all(comm.size(), 50);
    std::vector<Request> requests(5);
    for (std::size_t k = 0; k < requests.size(); ++k) {
      comm.all_reduce(data[k], TUTTI_SUM, {.request = &requests[k]});
      expect(static_cast<bool>(requests[k]), "no request");
    }
    requests[0].wait();
    while (!requests[1].test()) {
    }
    expect(!requests[0] && !requests[1], "complete, but there");
    const auto any = wait_any(requests);
    expect(any && *any >= 2 && !requests[*any], "wait_any");
    wait_all(requests);
    expect(!wait_any(requests), "wait_any of none");
    {
      Request dropped;
      comm.all_reduce(data[5], TUTTI_SUM, {.request = &dropped});
    }
    for (const Elements& d : data) expect(d == sum, "the sum");
    expect_refusal([&] { requests[0].wait(); }, TUTTI_INVALID, "the request is NULL");
  });
}

TEST_CASE("the wrapper's persistent requests start many times") {
  on_all_worlds([](Communicator& comm) {
    Elements send(3), recv(3);
    Request request;
    comm.all_reduce(send, recv, TUTTI_SUM, {.request = &request, .persistent = true});
    for (int turn = 0; turn < 4; ++turn) {
      send.assign(3, turn);
      request.start();
      if (turn % 2 == 0) {
        request.wait();
      } else {
        wait_all({&request, 1});
      }
      expect(recv == Elements(3, turn * comm.size()), "turn " + std::to_string(turn));
      expect(static_cast<bool>(request), "a persistent request is gone");
    }
    request.start();  // its destructor waits
  });
}

TEST_CASE("the wrapper's groups give one request, and close when they go") {
  on_all_worlds([](Communicator& comm) {
    std::array<Elements, 3> data;
    data.fill(sent_by(comm.rank(), 5));
    Request request;
    {
      Group group(comm);
      comm.all_reduce(data[0], TUTTI_SUM);
      comm.all_reduce(data[1], TUTTI_SUM);
      expect_refusal([&] { group.end({.algorithm = "ring"}); }, TUTTI_INVALID, "algorithm");
      group.end({.request = &request});
    }
    request.wait();
    {
      const Group group(comm);
      comm.all_reduce(data[2], TUTTI_SUM);
    }
    for (const Elements& d : data) expect(d == sum_of_all(comm.size(), 5), "the sum");
    comm.barrier();
  });
}

TEST_CASE("the wrapper splits and duplicates communicators") {
  on_all_worlds([](Communicator& comm) {
    const int colour = comm.rank() % 2;
    std::optional<Communicator> child = comm.split(colour, -comm.rank());
    expect(child.has_value(), "no child");
    expect(child->size() == (comm.size() + 1 - colour) / 2, "its size");
    expect(child->rank() == child->size() - 1 - comm.rank() / 2, "its rank");
    Elements world_ranks(static_cast<std::size_t>(child->size()));
    child->all_gather(std::array{comm.rank()}, world_ranks);
    for (const std::int32_t rank : world_ranks) expect(rank % 2 == colour, "a foreign rank");

    const bool stays = comm.rank() == 0;
    const std::optional<Communicator> some = comm.split(stays ? 0 : TUTTI_NO_COLOUR);
    expect(some.has_value() == stays, "TUTTI_NO_COLOUR");

    Communicator twin = comm.duplicate();
    Communicator moved = std::move(twin);
    std::array<double, 1> one{1};
    moved.all_reduce(one, TUTTI_SUM);
    expect(one[0] >= comm.size() && one[0] <= comm.size(), "the twin's sum");
    expect_refusal([&] { comm.finish(); }, TUTTI_INVALID, "free them first");
    moved.finish();
  });
}

TEST_CASE("the wrapper's memory is an array, zeroed and given back") {
  on_all_worlds([](Communicator& comm) {
    Memory<std::int32_t> memory = comm.alloc<std::int32_t>(2000);
    expect(memory.size() == 2000 && memory[1999] == 0, "its elements");
    memory[7] = comm.rank() + 1;
    comm.all_reduce(memory, TUTTI_SUM);
    expect(memory[7] == comm.size() * (comm.size() + 1) / 2, "the sum");
    for (int i = 0; i < 100; ++i) memory = comm.alloc<std::int32_t>(1 << 20);
    expect_refusal([&] { comm.alloc<double>(SIZE_MAX / 2); }, TUTTI_INVALID, "too many");
  });
}

TEST_CASE("the wrapper's ops scale before they sum") {
  on_all_worlds([](Communicator& comm) {
    Op op = comm.pre_scaled_sum(2.0 * (comm.rank() + 1));
    std::vector<double> data(9, 0.5);
    comm.all_reduce(data, op);
    const double expected = comm.size() * (comm.size() + 1) / 2.0;
    for (const double d : data) expect(d >= expected && d <= expected, "the scaled sum");
    const tutti_op number = op;
    { const Op ended = std::move(op); }
    expect_refusal([&] { comm.all_reduce(data, number); }, TUTTI_INVALID, "op");
  });
}

TEST_CASE("the wrapper's ops are any function, in the order of the ranks") {
  on_all_worlds([](Communicator& comm) {
    const std::int64_t base = comm.size() + 9;
    const Op digits = comm.create_op<std::int64_t>(
        [base](std::int64_t lower, std::int64_t higher) {  // of base 10: 12, then 3, is 123
          std::int64_t power = 1;
          while (power <= higher) power *= base;
          return lower * power + higher;
        },
        false);
    std::vector<std::int64_t> data(100, comm.rank() + 1);
    comm.all_reduce(data, digits);
    std::int64_t expected = 0;
    for (int rank = 1; rank <= comm.size(); ++rank) expected = base * expected + rank;
    for (const std::int64_t d : data) expect(d == expected, std::to_string(d));
  });
  CHECK(run(2, [](Communicator& comm) {
          const Op op = comm.create_op<float>(std::plus<>(), true);
          Elements data(3);
          expect_refusal([&] { comm.all_reduce(data, op); }, TUTTI_OP_FAILED, "another dtype");
        }) == "");
}

TEST_CASE("the wrapper takes elements of the caller's own type") {
  static_assert(dtype_of<half::Half> == TUTTI_F16 && dtype_of<bool> == -1);
  static_assert(dtype_of<signed char> == TUTTI_I8 && dtype_of<std::byte> == TUTTI_U8);
  static_assert(dtype_of<long> == TUTTI_I64 && dtype_of<unsigned long long> == TUTTI_U64);
  static_assert(!WritableArray<const std::vector<float>&> && !Array<std::vector<std::string>>);
  CHECK(dtype_size(dtype_of<half::Half>) == sizeof(half::Half));
  CHECK(version() == TUTTI_VERSION);
  on_all_worlds([](Communicator& comm) {
    std::vector<half::Half> ones(3, half::Half{0x3c00});
    comm.all_reduce(ones, TUTTI_MAX);
    expect(ones[2].bits == 0x3c00, "the greatest of ones");
  });
}

TEST_CASE("the wrapper's communicator says why a world cannot start") {
  expect_refusal([] { Communicator({.rank = 3, .size = 2, .address = "x"}); }, TUTTI_INVALID,
                 "TUTTI_INVALID: ");
}

}  // namespace

// Bad input: each case is a clear error that names the thing, changes nothing and hangs nobody.
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/c_api_kit.h"
#include "tests/catch.h"
#include "tests/ranks.h"
#include "tutti/tutti.h"

using namespace tutti::test;

TEST_CASE("a NULL send or recv is named") {
  const Alone comm;
  AllReduce call;
  call.from = nullptr;
  CHECK(call(comm) == TUTTI_INVALID);
  CHECK(says(comm, "send is NULL"));
  CHECK(says(comm, "rank 0: all_reduce"));
  CHECK(call.untouched());
  AllReduce other;
  other.to = nullptr;
  CHECK(other(comm) == TUTTI_INVALID);
  CHECK(says(comm, "recv is NULL"));
}

TEST_CASE("NULL buffers are fine when there is nothing to move") {
  const Alone comm;
  CHECK(tutti_all_reduce(nullptr, nullptr, 0, TUTTI_F32, TUTTI_SUM, comm, nullptr) == TUTTI_OK);
}

TEST_CASE("a negative count is named") {
  const Alone comm;
  AllReduce call;
  call.count = static_cast<std::size_t>(-3);
  CHECK(call(comm) == TUTTI_INVALID);
  CHECK(says(comm, "-3"));
  CHECK(call.untouched());
}

TEST_CASE("a count beyond the address space is named") {
  const Alone comm;
  AllReduce call;
  call.count = PTRDIFF_MAX;
  CHECK(call(comm) == TUTTI_INVALID);
  CHECK(says(comm, "exceeds the address space"));
}

TEST_CASE("unknown dtypes are named") {
  const Alone comm;
  for (const tutti_dtype dtype : {-1, 14, INT32_MAX, INT32_MIN}) {
    AllReduce call;
    call.dtype = dtype;
    CHECK(call(comm) == TUTTI_INVALID);
    CHECK(says(comm, "unknown dtype " + std::to_string(dtype)));
    CHECK(call.untouched());
  }
}

TEST_CASE("unknown ops are named") {
  const Alone comm;
  for (const tutti_op op : {std::uint64_t{0}, std::uint64_t{11}, UINT64_MAX}) {
    AllReduce call;
    call.op = op;
    CHECK(call(comm) == TUTTI_INVALID);
    CHECK(says(comm, "unknown op " + std::to_string(op)));
    CHECK(call.untouched());
  }
}

TEST_CASE("bitwise ops refuse floats") {
  const Alone comm;
  AllReduce call;
  call.op = TUTTI_BXOR;
  CHECK(call(comm) == TUTTI_INVALID);
  CHECK(says(comm, "bxor takes integers only, not f32"));
}

TEST_CASE("overlapping buffers that are not the same are refused") {
  const Alone comm;
  std::vector<float> memory(16, 1.0F);
  CHECK(tutti_all_reduce(memory.data(), memory.data() + 4, 8, TUTTI_F32, TUTTI_SUM, comm,
                         nullptr) == TUTTI_INVALID);
  CHECK(says(comm, "overlap by 16 bytes"));
  CHECK(tutti_all_reduce(memory.data() + 7, memory.data(), 8, TUTTI_F32, TUTTI_SUM, comm,
                         nullptr) == TUTTI_INVALID);
  CHECK(tutti_all_reduce(memory.data() + 8, memory.data(), 8, TUTTI_F32, TUTTI_SUM, comm,
                         nullptr) == TUTTI_OK);
}

TEST_CASE("a NULL communicator is named") {
  AllReduce call;
  CHECK(call(nullptr) == TUTTI_INVALID);
  CHECK(says(nullptr, "communicator is NULL"));
}

TEST_CASE("a handle that tutti_start did not give is refused without touching memory") {
  int something = 0;
  AllReduce call;
  CHECK(call(reinterpret_cast<tutti_comm*>(&something)) == TUTTI_INVALID);
  CHECK(says(nullptr, "not one that tutti_start() gave"));
  CHECK(call(reinterpret_cast<tutti_comm*>(std::uintptr_t{0xdeadbeef})) == TUTTI_INVALID);
}

TEST_CASE("a finished communicator is refused, also when finished twice") {
  tutti_comm* stale = nullptr;
  {
    const Alone comm;
    stale = comm;
  }
  AllReduce call;
  CHECK(call(stale) == TUTTI_INVALID);
  CHECK(says(nullptr, "is finished"));
  CHECK(tutti_finish(stale) == TUTTI_INVALID);
  CHECK(tutti_finish(nullptr) == TUTTI_OK);
}

TEST_CASE("roots outside of the world are named") {
  const Alone comm;
  float value = 1;
  for (const std::int32_t root : {-1, 1, INT32_MAX}) {
    CHECK(tutti_broadcast(&value, &value, 1, TUTTI_F32, root, comm, nullptr) == TUTTI_INVALID);
    CHECK(says(comm, "root is " + std::to_string(root)));
  }
}

TEST_CASE("an unknown algorithm is named, with those that exist") {
  const std::string failures = run_ranks(RankKind::kThreads, 2, [](int, tutti_comm* comm) {
    tutti_options options = TUTTI_OPTIONS_INIT;
    options.algorithm = "rnig";
    AllReduce call;
    call.options = &options;
    expect(call(comm) == TUTTI_NOT_FOUND, "found");
    const std::string text = tutti_error_text(comm);
    expect(text.find("rnig") != std::string::npos, text);
    expect(text.find("ring") != std::string::npos, text);
    expect(call.untouched(), "touched");
    call.options = nullptr;
    ok(call(comm), comm);  // the communicator goes on
  });
  CHECK(failures == "");
}

TEST_CASE("a structure without its size is refused") {
  const Alone comm;
  tutti_options options = TUTTI_OPTIONS_INIT;
  options.struct_size = 0;
  AllReduce call;
  call.options = &options;
  CHECK(call(comm) == TUTTI_INVALID);
  CHECK(says(comm, "options->struct_size is 0"));
  tutti_config config = TUTTI_CONFIG_INIT;
  config.struct_size = 1 << 20;
  tutti_comm* none = nullptr;
  CHECK(tutti_start(&none, &config) == TUTTI_INVALID);
  CHECK(says(nullptr, "config->struct_size"));
  CHECK(none == nullptr);
}

TEST_CASE("a shorter structure of an older program keeps its meaning") {
  const Alone comm;
  tutti_options options = TUTTI_OPTIONS_INIT;
  options.struct_size = sizeof(std::size_t);
  options.timeout_ms = -77;  // beyond the size: not read
  AllReduce call;
  call.options = &options;
  CHECK(call(comm) == TUTTI_OK);
  tutti_config config = TUTTI_CONFIG_INIT;
  config.struct_size = offsetof(tutti_config, start_timeout_ms);
  config.start_timeout_ms = -77;
  tutti_comm* other = nullptr;
  CHECK(tutti_start(&other, &config) == TUTTI_OK);
  CHECK(tutti_finish(other) == TUTTI_OK);
}

TEST_CASE("timeouts of zero or below are named") {
  const Alone comm;
  tutti_options options = TUTTI_OPTIONS_INIT;
  options.timeout_ms = 0;
  AllReduce call;
  call.options = &options;
  CHECK(call(comm) == TUTTI_INVALID);
  CHECK(says(comm, "timeout_ms is 0"));
}

TEST_CASE("the longest timeouts that can be given are as good as none") {
  const std::string failures = run_ranks(RankKind::kThreads, 2, [](int rank, tutti_comm* comm) {
    tutti_options options = TUTTI_OPTIONS_INIT;
    options.timeout_ms = INT64_MAX;
    // Long enough that rank 0 looks at the clock while it waits.
    if (rank == 1) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ok(tutti_barrier(comm, &options), comm);
  });
  CHECK(failures == "");
}

TEST_CASE("contradictory configurations are refused") {
  struct Bad {
    std::int32_t rank, size;
    const char* says;
  };
  for (const Bad bad : {Bad{4, 4, "rank"}, Bad{-2, 4, "rank"}, Bad{0, 0, "size"},
                        Bad{0, -5, "size"}, Bad{2, -1, "size"}, Bad{-1, 3, "rank"}}) {
    tutti_config config = TUTTI_CONFIG_INIT;
    config.rank = bad.rank;
    config.size = bad.size;
    config.address = "contradiction";
    config.start_timeout_ms = 1000;
    tutti_comm* comm = nullptr;
    CHECK(tutti_start(&comm, &config) == TUTTI_INVALID);
    CHECK(says(nullptr, bad.says));
    CHECK(comm == nullptr);
  }
}

TEST_CASE("there must be somewhere to store results") {
  const Alone comm;
  CHECK(tutti_start(nullptr, nullptr) == TUTTI_INVALID);
  CHECK(tutti_rank(comm, nullptr) == TUTTI_INVALID);
  CHECK(tutti_size(comm, nullptr) == TUTTI_INVALID);
  CHECK(tutti_alloc(nullptr, 8, comm) == TUTTI_INVALID);
  CHECK(tutti_op_create_pre_scaled(nullptr, nullptr, TUTTI_F32, comm) == TUTTI_INVALID);
  CHECK(tutti_candidate(TUTTI_ALL_REDUCE, 1, TUTTI_F32, TUTTI_SUM, comm, 0, nullptr) ==
        TUTTI_INVALID);
  CHECK(tutti_version(nullptr) == TUTTI_INVALID);
}

TEST_CASE("memory that tutti_alloc did not give is refused by tutti_free") {
  const Alone comm;
  int local = 0;
  CHECK(tutti_free(&local, comm) == TUTTI_INVALID);
  void* memory = nullptr;
  REQUIRE(tutti_alloc(&memory, 100, comm) == TUTTI_OK);
  CHECK(tutti_free(static_cast<char*>(memory) + 1, comm) == TUTTI_INVALID);
  CHECK(tutti_free(memory, comm) == TUTTI_OK);
  CHECK(tutti_free(memory, comm) == TUTTI_INVALID);
  CHECK(tutti_free(nullptr, comm) == TUTTI_OK);
}

TEST_CASE("allocations that cannot be had are refused, and the old ones stay") {
  const Alone comm;
  void* memory = nullptr;
  REQUIRE(tutti_alloc(&memory, 4096, comm) == TUTTI_OK);
  std::memset(memory, 1, 4096);
  void* huge = nullptr;
  CHECK(tutti_alloc(&huge, std::size_t{1} << 60, comm) == TUTTI_NO_MEMORY);
  CHECK(tutti_alloc(&huge, static_cast<std::size_t>(-1), comm) == TUTTI_INVALID);
  CHECK(huge == nullptr);
  CHECK(static_cast<char*>(memory)[4095] == 1);
}

TEST_CASE("zero bytes give a pointer of their own, and freed memory comes back zeroed") {
  const Alone comm;
  void *a = nullptr, *b = nullptr;
  REQUIRE(tutti_alloc(&a, 0, comm) == TUTTI_OK);
  REQUIRE(tutti_alloc(&b, 0, comm) == TUTTI_OK);
  CHECK(a != b);
  CHECK(tutti_free(a, comm) == TUTTI_OK);
  CHECK(tutti_free(b, comm) == TUTTI_OK);
  REQUIRE(tutti_alloc(&a, 10'000, comm) == TUTTI_OK);
  std::memset(a, 0xff, 10'000);
  REQUIRE(tutti_free(a, comm) == TUTTI_OK);
  REQUIRE(tutti_alloc(&b, 10'000, comm) == TUTTI_OK);
  const std::vector<unsigned char> zero(10'000, 0);
  CHECK(std::memcmp(b, zero.data(), zero.size()) == 0);
}

TEST_CASE("ops are freed once, and never the predefined ones") {
  const Alone comm;
  const float scalar = 2;
  tutti_op op = 0;
  REQUIRE(tutti_op_create_pre_scaled(&op, &scalar, TUTTI_F32, comm) == TUTTI_OK);
  AllReduce call;
  call.op = op;
  CHECK(call(comm) == TUTTI_OK);
  CHECK(call.recv == std::vector<float>(8, 2.0F));
  call.dtype = TUTTI_I32;
  CHECK(call(comm) == TUTTI_INVALID);
  CHECK(says(comm, "created op 256 is for f32, not i32"));
  CHECK(tutti_op_free(op, comm) == TUTTI_OK);
  CHECK(tutti_op_free(op, comm) == TUTTI_INVALID);
  CHECK(tutti_op_free(TUTTI_SUM, comm) == TUTTI_INVALID);
  CHECK(says(comm, "op sum is predefined"));
  call.dtype = TUTTI_F32;
  CHECK(call(comm) == TUTTI_INVALID);
  CHECK(says(comm, "unknown op"));
  tutti_op bad = 0;
  CHECK(tutti_op_create_pre_scaled(&bad, nullptr, TUTTI_F32, comm) == TUTTI_INVALID);
  CHECK(tutti_op_create_pre_scaled(&bad, &scalar, 99, comm) == TUTTI_INVALID);
  CHECK(bad == 0);
}

TEST_CASE("names of statuses and sizes of dtypes are known, and strangers are harmless") {
  CHECK(std::string(tutti_status_name(TUTTI_MISMATCH)) == "TUTTI_MISMATCH");
  CHECK(tutti_status_name(-1) != nullptr);
  CHECK(tutti_status_name(1000) != nullptr);
  CHECK(tutti_dtype_size(TUTTI_BF16) == 2);
  CHECK(tutti_dtype_size(99) == 0);
  std::int32_t version = 0;
  CHECK(tutti_version(&version) == TUTTI_OK);
  CHECK(version == TUTTI_VERSION);
}

TEST_CASE("candidates are listed, exactly one of them chosen") {
  const std::string failures = run_ranks(RankKind::kThreads, 4, [](int, tutti_comm* comm) {
    for (const std::size_t count : {0ul, 2ul, 1'000'000ul}) {
      int chosen = 0;
      std::size_t index = 0;
      for (;; ++index) {
        tutti_candidate_info info = TUTTI_CANDIDATE_INFO_INIT;
        const tutti_status status =
            tutti_candidate(TUTTI_ALL_REDUCE, count, TUTTI_F32, TUTTI_SUM, comm, index, &info);
        if (status == TUTTI_NOT_FOUND) break;
        ok(status, comm);
        expect(info.name != nullptr && info.predicted_s > 0, "no name or price");
        chosen += info.chosen;
      }
      expect(index >= 8, "fewer than eight candidates");
      expect(chosen == 1, "not exactly one chosen");
    }
  });
  CHECK(failures == "");
}

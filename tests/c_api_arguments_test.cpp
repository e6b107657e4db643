// Wrong arguments of every call that moves data: each is refused with a text that names the call
// and the argument, nothing is done, and the call can be made again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/any_call.h"
#include "tests/c_api_kit.h"
#include "tests/catch.h"
#include "tests/ranks.h"
#include "tutti/tutti.h"

namespace {

using namespace tutti;
using namespace tutti::test;

constexpr std::size_t kCount = 4;

/// The memory of one rank of two: more than any call of kCount needs.
struct Memory {
  std::vector<float> send = std::vector<float>(4 * kCount, 1.0F);
  std::vector<float> recv = std::vector<float>(4 * kCount, -1.0F);
};

struct Wrong {
  AnyCall call;
  const void* send;
  void* recv;
  std::string says;
  tutti_status status = TUTTI_INVALID;
  tutti_options options = TUTTI_OPTIONS_INIT;
};

tutti_options options_with(const char* algorithm, std::int64_t timeout_ms) {
  tutti_options options = TUTTI_OPTIONS_INIT;
  options.algorithm = algorithm;
  options.timeout_ms = timeout_ms;
  return options;
}

/// What may be wrong with a call of a collective on rank `rank` of `size`.
std::vector<Wrong> wrong_calls(Collective collective, int rank, int size, Memory& memory) {
  const CollectiveTraits& traits = traits_of(collective);
  const AnyCall right{.collective = collective, .count = kCount, .dtype = TUTTI_F32};
  float* const send = memory.send.data();
  float* const recv = memory.recv.data();
  std::vector<Wrong> all;
  const auto add = [&](AnyCall call, const std::string& says) {
    all.push_back({.call = call, .send = send, .recv = recv, .says = says});
  };
  const auto spoil = [&](auto change, const std::string& says) {
    AnyCall call = right;
    change(call);
    add(call, says);
  };
  tutti_options short_struct = TUTTI_OPTIONS_INIT;
  short_struct.struct_size = 3;
  all.push_back({right, send, recv, "options->struct_size is 3", TUTTI_INVALID, short_struct});
  all.push_back(
      {right, send, recv, "options->timeout_ms is 0", TUTTI_INVALID, options_with(nullptr, 0)});
  all.push_back({right, send, recv, "no algorithm", TUTTI_NOT_FOUND, options_with("magic", -1)});
  if (traits.output == Extent::kNone) return all;

  spoil([](AnyCall& c) { c.dtype = 99; }, "unknown dtype 99");
  spoil([](AnyCall& c) { c.count = static_cast<std::size_t>(-1); },
        "count is negative or absurd: -1");
  spoil([](AnyCall& c) { c.count = PTRDIFF_MAX; }, "exceeds the address space");
  const bool vector_here =
      traits.input_blocks(size, rank, 0) > 1 || traits.output_blocks(size, rank, 0) > 1;
  if (vector_here) spoil([](AnyCall& c) { c.count = PTRDIFF_MAX / 4; }, "for each of 2 ranks");
  if (traits.reduces) {
    spoil([](AnyCall& c) { c.op = 99; }, "unknown op 99");
    spoil([](AnyCall& c) { c.op = TUTTI_BXOR; }, "bxor takes integers only");
  }
  if (traits.scan != Scan::kNone) spoil([](AnyCall& c) { c.op = TUTTI_AVG; }, "op avg");
  if (traits.rooted) {
    spoil([](AnyCall& c) { c.root = 2; }, "root is 2");
    spoil([](AnyCall& c) { c.root = -1; }, "root is -1");
  }
  const bool sends = traits.input_blocks(size, rank, 0) > 0;
  const bool receives = traits.output_blocks(size, rank, 0) > 0;
  if (sends) all.push_back({right, nullptr, recv, "send is NULL"});
  if (receives) all.push_back({right, send, nullptr, "recv is NULL"});
  if (sends && receives) all.push_back({right, send, send + 1, "send and recv overlap by"});
  if (collective == Collective::kAllToAll)
    all.push_back({right, send, send, "there is no in-place form"});
  return all;
}

/// One rank after the other makes each wrong call before a right one, which both make.
void refuse_and_go_on(int rank, tutti_comm* comm) {
  std::int32_t size = 0;
  ok(tutti_size(comm, &size), comm);
  Memory memory;
  for (const Collective collective : all_collectives()) {
    for (int wrong_rank = 0; wrong_rank < size; ++wrong_rank) {
      if (rank != wrong_rank) continue;
      for (const Wrong& w : wrong_calls(collective, rank, size, memory)) {
        const std::string name = std::string(name_of(collective)) + ", " + w.says;
        const tutti_status status = w.call.make(w.send, w.recv, comm, &w.options);
        expect(status == w.status, name + ": status " + std::to_string(status));
        const std::string text = tutti_error_text(comm);
        const std::string begin =
            "rank " + std::to_string(rank) + ": " + std::string(name_of(collective)) + ": ";
        expect(text.rfind(begin, 0) == 0, text + " does not begin with " + begin);
        expect(text.find(w.says) != std::string::npos, text + " does not say " + w.says);
        expect(memory.recv == Memory().recv && memory.send == Memory().send, name + ": written");
      }
    }
    const AnyCall right{.collective = collective, .count = kCount, .dtype = TUTTI_F32};
    ok(right.make(memory.send.data(), memory.recv.data(), comm, nullptr), comm);
    memory = Memory();
  }
}

}  // namespace

TEST_CASE("every wrong argument of every call is refused by name, and the next call works") {
  CHECK(run_ranks(RankKind::kThreads, 2, refuse_and_go_on) == "");
  CHECK(run_ranks(RankKind::kProcesses, 2, refuse_and_go_on) == "");
}

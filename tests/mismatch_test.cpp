// Ranks that make different calls, through the C API.
#include <cstdint>
#include <string>

#include "tests/catch.h"
#include "tests/ranks.h"
#include "tutti/tutti.h"

namespace tutti::test {
namespace {

std::string error_of(const tutti_comm* comm) { return tutti_error_text(comm); }

}  // namespace

// Both ranks think that they are the first call's root, so neither waits for the other. The message
// that rank 0 then sends lies unread before that of its second call, which looks just like it.
TEST_CASE("a message of an earlier call is never taken for the present one's") {
  const std::string failures = run_ranks(RankKind::kThreads, 2, [](int rank, tutti_comm* comm) {
    std::int64_t value = 10 + rank;
    ok(tutti_broadcast(&value, &value, 1, TUTTI_I64, rank, comm, nullptr), comm);
    value = 20 + rank;
    const tutti_status status = tutti_broadcast(&value, &value, 1, TUTTI_I64, 0, comm, nullptr);
    if (rank == 0) return;  // its second message is on its way: it sees nothing wrong
    expect(status == TUTTI_MISMATCH, "status " + std::to_string(status));
    const std::string text = error_of(comm);
    const std::string theirs = "rank 0: broadcast #1 (i64, count 1, root 0)";
    const std::string ours = "rank 1: broadcast #2 (i64, count 1, root 0)";
    expect(text.find(theirs + ", but " + ours) != std::string::npos, text);
  });
  CHECK(failures == "");
}

}  // namespace tutti::test

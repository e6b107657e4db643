// What the tests of the C API share: worlds, error texts, a call to spoil.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/ranks.h"
#include "tests/settings.h"
#include "tutti/tutti.h"

namespace tutti::test {

// A world of one, finished at the end of the test.
class Alone {
 public:
  Alone() {
    const std::string address = "alone-" + std::to_string(getpid());
    tutti_config config = TUTTI_CONFIG_INIT;
    config.rank = 0;
    config.size = 1;
    config.address = address.c_str();
    ok(tutti_start(&comm_, &config), nullptr);
  }
  ~Alone() { tutti_finish(comm_); }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

  operator tutti_comm*() const { return comm_; }

 private:
  tutti_comm* comm_ = nullptr;
};

/// The ranks of a world.
inline int size_of(const tutti_comm* comm) {
  std::int32_t size = 0;
  ok(tutti_size(comm, &size), comm);
  return size;
}
inline int rank_of(const tutti_comm* comm) {
  std::int32_t rank = 0;
  ok(tutti_rank(comm, &rank), comm);
  return rank;
}

/// Runs the body in worlds of 1 to TUTTI_COLLECTIVES_RANKS (9) threads, and of 2, 3 and 5
/// processes.
inline void on_all_worlds(const RankBody& body) {
  const int most = static_cast<int>(setting("TUTTI_COLLECTIVES_RANKS", 9));
  for (const int ranks : {2, 3, 5})
    if (ranks <= most) CHECK(run_ranks(RankKind::kProcesses, ranks, body) == "");
  for (int ranks = 1; ranks <= most; ++ranks)
    CHECK(run_ranks(RankKind::kThreads, ranks, body) == "");
}

inline bool says(const tutti_comm* comm, const std::string& words) {
  const std::string text = tutti_error_text(comm);
  if (text.find(words) != std::string::npos) return true;
  FAIL_CHECK("\"" << text << "\" does not say \"" << words << '"');
  return false;
}

// A call of all_reduce whose arguments are right until a test spoils one.
struct AllReduce {
  std::vector<float> send = std::vector<float>(8, 1.0F);
  std::vector<float> recv = std::vector<float>(8, -1.0F);
  const void* from = send.data();
  void* to = recv.data();
  std::size_t count = 8;
  tutti_dtype dtype = TUTTI_F32;
  tutti_op op = TUTTI_SUM;
  const tutti_options* options = nullptr;

  tutti_status operator()(tutti_comm* comm) {
    return tutti_all_reduce(from, to, count, dtype, op, comm, options);
  }
  bool untouched() const { return recv == std::vector<float>(8, -1.0F); }
};

}  // namespace tutti::test

// What the tests of the C API share: a world of one, error texts, a call to spoil.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/ranks.h"
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

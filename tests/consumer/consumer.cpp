// A project outside Tutti, in C++: a world of one sums registered memory in place.
#include <tutti/tutti.h>

#include <cstdio>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>

namespace {

void check(tutti_status status, const char* what, const tutti_comm* comm) {
  if (status == TUTTI_OK) return;
  throw std::runtime_error(std::string(what) + ": " + tutti_status_name(status) + ": " +
                           tutti_error_text(comm));
}

void sum_in_place(tutti_comm* comm) {
  constexpr std::size_t kCount = 1000;
  void* memory = nullptr;
  check(tutti_alloc(&memory, kCount * tutti_dtype_size(TUTTI_I64), comm), "tutti_alloc", comm);
  const std::span values(static_cast<std::int64_t*>(memory), kCount);
  std::iota(values.begin(), values.end(), -500);

  check(tutti_all_reduce(values.data(), values.data(), kCount, TUTTI_I64, TUTTI_SUM, comm, nullptr),
        "tutti_all_reduce", comm);

  for (std::size_t i = 0; i < kCount; ++i) {
    if (values[i] != static_cast<std::int64_t>(i) - 500) throw std::runtime_error("a wrong sum");
  }
  check(tutti_free(memory, comm), "tutti_free", comm);
}

}  // namespace

int main() {
  try {
    tutti_comm* comm = nullptr;
    check(tutti_start(&comm, nullptr), "tutti_start", nullptr);
    sum_in_place(comm);
    check(tutti_finish(comm), "tutti_finish", nullptr);
    std::puts("consumer: the sum of one rank is right");
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}

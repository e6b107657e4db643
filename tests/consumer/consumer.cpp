// A project outside Tutti, in C++: a world of one sums registered memory in place.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <numeric>
#include <stdexcept>
#include <tutti/tutti.hpp>

namespace {

void sum_in_place(tutti::cpp::Communicator& comm) {
  const tutti::cpp::Memory<std::int64_t> values = comm.alloc<std::int64_t>(1000);
  std::iota(values.begin(), values.end(), -500);

  comm.all_reduce(values, TUTTI_SUM);

  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != static_cast<std::int64_t>(i) - 500) throw std::runtime_error("a wrong sum");
  }
}

}  // namespace

int main() {
  try {
    tutti::cpp::Communicator comm;
    sum_in_place(comm);
    comm.finish();
    std::puts("consumer: the sum of one rank is right");
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}

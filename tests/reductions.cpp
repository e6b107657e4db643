#include "tests/reductions.h"

#include <cstring>

#include "collectives/algorithms.h"
#include "tests/catch.h"
#include "tests/settings.h"

namespace tutti::test {

void on_all_worlds(const RankBody& body) {
  const auto most = static_cast<int>(setting("TUTTI_COLLECTIVES_RANKS", 9));
  for (const int ranks : {2, 3, 5})
    if (ranks <= most) CHECK(run_ranks(RankKind::kProcesses, ranks, body) == "");
  for (int ranks = 1; ranks <= most; ++ranks)
    CHECK(run_ranks(RankKind::kThreads, ranks, body) == "");
}

int size_of(tutti_comm* comm) {
  std::int32_t size = 0;
  ok(tutti_size(comm, &size), comm);
  return size;
}

std::string Reduction::name() const {
  return std::string(name_of(collective)) + " " + (algorithm == nullptr ? "chosen" : algorithm) +
         " " + std::string(name_of(dtype)) + " op " + std::to_string(op) + " count " +
         std::to_string(count) + " root " + std::to_string(root) + (in_place ? " in place" : "") +
         (reproducible ? " reproducible" : "");
}

std::size_t Reduction::input_count(int ranks) const {
  return collective == Collective::kReduceScatter ? count * static_cast<std::size_t>(ranks) : count;
}

tutti_status Reduction::call(const void* send, void* recv, tutti_comm* comm) const {
  tutti_options options = TUTTI_OPTIONS_INIT;
  options.algorithm = algorithm;
  options.reproducible = reproducible ? 1 : 0;
  const auto type = static_cast<tutti_dtype>(dtype);
  switch (collective) {
    case Collective::kAllReduce:
      return tutti_all_reduce(send, recv, count, type, op, comm, &options);
    case Collective::kReduce:
      return tutti_reduce(send, recv, count, type, op, root, comm, &options);
    default:
      return tutti_reduce_scatter(send, recv, count, type, op, comm, &options);
  }
}

bool Reduction::gives(const Bytes& expected, int rank, const Bytes& input, tutti_comm* comm) const {
  const std::size_t bytes = count * tutti::size_of(dtype);
  const bool scatters = collective == Collective::kReduceScatter;
  const std::size_t own = scatters ? bytes * static_cast<std::size_t>(rank) : 0;
  Bytes send = input, recv(bytes + 1);
  std::byte* const to = in_place ? send.data() + own : recv.data();
  ok(call(send.data(), to, comm), comm);
  if (!in_place && send != input) return false;
  if (collective == Collective::kReduce && rank != root) return true;
  return bytes == 0 || std::memcmp(to, expected.data() + own, bytes) == 0;
}

void each_algorithm(const CallKey& key, const ReduceOp& op, int ranks,
                    const std::function<void(const char* name, bool serves)>& use) {
  use(nullptr, true);
  for (const Variant& v : variants(key.collective, ranks))
    use(v.name().c_str(), serves(v, choice_key(key, op), ranks));
}

}  // namespace tutti::test

// What the tests of tutti.hpp share: worlds of threads, arrays that differ by rank, refusals.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/ranks.h"
#include "tests/settings.h"
#include "tutti/tutti.hpp"

namespace tutti::test {

using cpp::Communicator;
using cpp::Error;
using Elements = std::vector<std::int32_t>;

inline int max_ranks() { return static_cast<int>(setting("TUTTI_COLLECTIVES_RANKS", 5)); }

inline std::string run(int ranks, const std::function<void(Communicator&)>& body) {
  return run_configs(RankKind::kThreads, ranks, [&](const tutti_config& config) {
    Communicator comm({.rank = config.rank,
                       .size = config.size,
                       .address = config.address,
                       .call_timeout = std::chrono::minutes(1)});
    expect(comm.rank() == config.rank, "rank");
    expect(comm.size() == config.size, "size");
    body(comm);
    comm.finish();
  });
}

inline void on_all_worlds(const std::function<void(Communicator&)>& body) {
  for (int ranks = 1; ranks <= max_ranks(); ++ranks) CHECK(run(ranks, body) == "");
}

/// What rank `rank` sends: differs by rank and by index.
inline Elements sent_by(int rank, std::size_t count) {
  Elements elements(count);
  std::iota(elements.begin(), elements.end(), 1000 * rank);
  return elements;
}

inline Elements sum_of_all(int ranks, std::size_t count) {
  Elements sum(count, 0);
  for (int rank = 0; rank < ranks; ++rank)
    for (std::size_t i = 0; i < count; ++i) sum[i] += sent_by(rank, count)[i];
  return sum;
}

inline Elements all_sent(int ranks, std::size_t count) {
  Elements all;
  for (int rank = 0; rank < ranks; ++rank)
    for (const std::int32_t element : sent_by(rank, count)) all.push_back(element);
  return all;
}

inline std::size_t blocks(const Communicator& comm, std::size_t count) {
  return count * static_cast<std::size_t>(comm.size());
}

/// Block `index` of `count` elements.
inline Elements block(const Elements& elements, int index, std::size_t count) {
  const auto begin = elements.begin() + index * static_cast<std::ptrdiff_t>(count);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

/// The error that `body` must throw.
inline Error refusal(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  throw std::runtime_error("nothing was thrown");
}

inline void expect_refusal(const std::function<void()>& body, tutti_status status,
                           const std::string& words) {
  const Error error = refusal(body);
  expect(error.status() == status, error.what());
  expect(std::string(error.what()).find(words) != std::string::npos,
         "\"" + std::string(error.what()) + "\" does not say \"" + words + "\"");
}

}  // namespace tutti::test

// Where long messages are staged, and how: blocks of an area, and the distance of the reader.
#include "transport/shm/staging.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

#include "tests/catch.h"
#include "transport/shm/distance.h"

namespace tutti::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBlock = 64;

/// The first block of a run.
long begin_of(const StagingPool& pool, std::span<std::byte> area, const StagingPool::Run& run) {
  return (pool.bytes(run).data() - area.data()) / static_cast<long>(kBlock);
}

void note(Distance& distance, std::chrono::nanoseconds took, int times) {
  for (int i = 0; i < times; ++i) distance.note(took);
}

}  // namespace

TEST_CASE("blocks are taken in turn, so that those used last are used again last") {
  std::array<std::byte, 10 * kBlock> area{};
  StagingPool pool(area, kBlock);
  std::vector<long> begins;
  for (int i = 0; i < 7; ++i) {
    const auto run = pool.take(0, 3);
    REQUIRE(run.blocks == 3);
    begins.push_back(begin_of(pool, area, run));
    pool.give(0, run);
  }
  CHECK(begins == std::vector<long>{0, 3, 6, 0, 3, 6, 0});
}

TEST_CASE(
    "a run that does not fit ahead is taken from the begin, a shorter one where it is longest") {
  std::array<std::byte, 10 * kBlock> area{};
  StagingPool pool(area, kBlock);
  const auto first = pool.take(0, 4);   // 0 … 3
  const auto second = pool.take(0, 2);  // 4, 5
  pool.give(0, first);
  const auto third = pool.take(0, 3);  // 6, 7, 8: ahead there are four, but three are other lanes'
  CHECK(begin_of(pool, area, third) == 6);
  const auto fourth = pool.take(0, 4);  // 9 is ahead; 0 … 3 are longer
  CHECK(begin_of(pool, area, fourth) == 0);
  CHECK(second.blocks == 2);
}

TEST_CASE("every lane can get a block, whatever the others hold") {
  std::array<std::byte, 9 * kBlock> area{};
  StagingPool pool(area, kBlock);
  CHECK(pool.take(0, 9).blocks == 6);
  CHECK(pool.take(0, 1).blocks == 0);
  for (int lane = 1; lane < kLanes; ++lane) CHECK(pool.take(lane, 9).blocks == 1);
}

TEST_CASE("an area without room for a block gives none") {
  StagingPool pool({}, kBlock);
  CHECK(pool.take(2, 1).blocks == 0);
}

TEST_CASE(
    "a peer is far when its lines take longer than memory, and one odd line changes nothing") {
  Distance distance;
  note(distance, 80ns, 8);
  CHECK_FALSE(distance.far());
  distance.note(5us);  // an interrupt
  CHECK_FALSE(distance.far());
  note(distance, 230ns, 8);
  CHECK(distance.far());
  distance.note(80ns);
  CHECK(distance.far());
  note(distance, 80ns, 8);
  CHECK_FALSE(distance.far());
}

TEST_CASE("the clock is read for every eighth line") {
  Distance distance;
  int due = 0;
  for (int line = 0; line < 80; ++line) due += distance.due() ? 1 : 0;
  CHECK(due == 10);
}

}  // namespace tutti::test

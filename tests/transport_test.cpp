// Messages between ranks of one host: every way that bytes can take, and the order they keep.
#include <cstring>
#include <numeric>

#include "tests/catch.h"
#include "tests/transport_test_kit.h"
#include "transport/shm/layout.h"
#include "transport/shm/outbox.h"

namespace tutti::test {
namespace {

std::vector<std::size_t> sizes() {
  std::vector<std::size_t> all = {0, 1, 8, 2048, 600'001};
  // Where a message takes another way, or is cut: inline, past the cache, out of the small blocks,
  // in several fragments, by system calls, in several views, longer than all blocks together.
  for (const std::size_t edge : {kInlineBytes, kStreamedBytes, std::size_t{8} << 10,
                                 std::size_t{16} << 10, kStagedBytes, kClaimBytes, kTransitBytes})
    for (const std::size_t bytes : {edge - 1, edge, edge + 1}) all.push_back(bytes);
  return all;
}

enum class Memory { kPageable, kRegistered, kScratch };

/// Memory of that kind, filled.
std::byte* fill(Transport& t, Memory memory, std::vector<std::byte>& own,
                const std::vector<std::byte>& content) {
  std::byte* place = nullptr;
  if (memory == Memory::kPageable) {
    own = content;
    return own.data();
  }
  if (memory == Memory::kRegistered) place = static_cast<std::byte*>(t.allocate(content.size()));
  if (memory == Memory::kScratch) place = t.scratch().data();
  if (!content.empty()) std::memcpy(place, content.data(), content.size());
  return place;
}

/// Both ranks send each size, and receive it by view or by fetch.
void exchange_sizes(Transport& t, Memory memory, How how) {
  const int peer = 1 - t.rank();
  for (const std::size_t bytes : sizes()) {
    if (memory == Memory::kScratch && bytes > t.caps().scratch_bytes) continue;
    std::vector<std::byte> own;
    std::byte* const data = fill(t, memory, own, pattern(bytes, static_cast<unsigned>(t.rank())));
    const Piece piece{data, bytes};
    post(t, peer, 0, {&piece, 1});
    const auto got = receive(t, peer, 0, bytes, how);
    expect(got == pattern(bytes, static_cast<unsigned>(peer)),
           "wrong bytes in a message of " + std::to_string(bytes));
    drain(t, peer, 0);
    if (memory == Memory::kRegistered) t.deallocate(data);
  }
}

void check_sizes(RankKind kind) {
  for (const Memory memory : {Memory::kPageable, Memory::kRegistered, Memory::kScratch})
    for (const How how : {How::kView, How::kFetch})
      for (const CrossMemory cross : {CrossMemory::kAlways, CrossMemory::kNever}) {
        INFO("memory " << static_cast<int>(memory) << ", how " << static_cast<int>(how)
                       << ", cross memory " << static_cast<int>(cross));
        const auto ended = run_transports(
            kind, 2, [&](Transport& t) { exchange_sizes(t, memory, how); },
            [&](World& world) { world.cross_memory = cross; });
        CHECK(errors_of(ended) == "");
      }
}

void check_pieces(RankKind kind) {
  const auto ended = run_transports(kind, 2, [](Transport& t) {
    const int peer = 1 - t.rank();
    for (const std::size_t scale : {std::size_t{1}, std::size_t{100}, std::size_t{20000}}) {
      std::vector<std::vector<std::byte>> parts;
      std::vector<Piece> pieces;
      std::size_t total = 0;
      for (unsigned i = 0; i < 40; ++i) parts.push_back(pattern(i % 3 * scale, i));
      for (const auto& part : parts) pieces.push_back({part.data(), part.size()});
      for (const auto& part : parts) total += part.size();
      post(t, peer, 2, pieces);
      const auto got = receive(t, peer, 2, total, How::kView);
      std::vector<std::byte> expected;
      for (const auto& part : parts) expected.insert(expected.end(), part.begin(), part.end());
      expect(got == expected, "pieces are mixed up");
      drain(t, peer, 2);
    }
  });
  CHECK(errors_of(ended) == "");
}

void check_window(RankKind kind) {
  const auto ended = run_transports(kind, 2, [](Transport& t) {
    const int peer = 1 - t.rank();
    const auto ready = pattern(1, 9);
    if (t.rank() == 0) {
      const Piece none{};
      for (std::uint32_t i = 0; i < t.caps().window; ++i)
        expect(t.endpoint(peer).post(1, kHash, {&none, 1}), "the window is short");
      expect(!t.endpoint(peer).post(1, kHash, {&none, 1}), "the window has no end");
      // Another lane has a window of its own.
      const Piece piece{ready.data(), 1};
      expect(t.endpoint(peer).post(3, kHash, {&piece, 1}), "lanes share a window");
      post(t, peer, 1, {&none, 1});
    } else {
      receive(t, peer, 3, 1, How::kView);
      for (std::uint32_t i = 0; i <= t.caps().window; ++i) receive(t, peer, 1, 0, How::kFetch);
    }
  });
  CHECK(errors_of(ended) == "");
}

void check_drains(RankKind kind) {
  const auto ended = run_transports(kind, 2, [](Transport& t) {
    const int peer = 1 - t.rank();
    const std::size_t bytes = 100'000;
    auto* const data = static_cast<std::byte*>(t.allocate(bytes));
    const Piece piece{data, bytes}, token{};
    if (t.rank() == 0) {
      for (int i = 0; i < 3; ++i) post(t, peer, 0, {&piece, 1});
      expect(!t.endpoint(peer).drained(0, 0), "drained before it is read");
      expect(!t.endpoint(peer).drained(0, 2), "drained before it is read, lag 2");
      expect(t.endpoint(peer).drained(0, 3), "nothing but the newest three is there");
      post(t, peer, 1, {&token, 1});
      receive(t, peer, 1, 0, How::kView);  // it has read one
      expect(t.endpoint(peer).drained(0, 2), "the first is read");
      expect(!t.endpoint(peer).drained(0, 1), "the second is not read");
      post(t, peer, 1, {&token, 1});
      drain(t, peer, 0);
    } else {
      receive(t, peer, 1, 0, How::kView);
      receive(t, peer, 0, bytes, How::kView);
      post(t, peer, 1, {&token, 1});
      receive(t, peer, 1, 0, How::kView);
      receive(t, peer, 0, bytes, How::kFetch);
      receive(t, peer, 0, bytes, How::kFetch);
    }
  });
  CHECK(errors_of(ended) == "");
}

void check_all_to_all(RankKind kind) {
  for (const int size : {3, 8}) {
    const auto ended = run_transports(kind, size, [](Transport& t) {
      for (int round = 0; round < 20; ++round) {
        const std::size_t bytes =
            round % 2 == 0 ? 8 : 5000 + static_cast<std::size_t>(round) * 1000;
        const auto data = pattern(bytes, static_cast<unsigned>(t.rank()));
        const Piece piece{data.data(), bytes};
        for (int peer = 0; peer < t.size(); ++peer)
          if (peer != t.rank()) post(t, peer, 0, {&piece, 1});
        for (int peer = 0; peer < t.size(); ++peer)
          if (peer != t.rank())
            expect(receive(t, peer, 0, bytes, How::kView) ==
                       pattern(bytes, static_cast<unsigned>(peer)),
                   "wrong bytes");
        for (int peer = 0; peer < t.size(); ++peer)
          if (peer != t.rank()) drain(t, peer, 0);
      }
    });
    INFO(size << " ranks");
    CHECK(errors_of(ended) == "");
  }
}

}  // namespace

TEST_CASE("messages of every size arrive whole, from every kind of memory: threads") {
  check_sizes(RankKind::kThreads);
}

TEST_CASE("messages of every size arrive whole, from every kind of memory: processes",
          "[processes]") {
  check_sizes(RankKind::kProcesses);
}

TEST_CASE("a message of many pieces arrives in their order: threads") {
  check_pieces(RankKind::kThreads);
}

TEST_CASE("a message of many pieces arrives in their order: processes", "[processes]") {
  check_pieces(RankKind::kProcesses);
}

TEST_CASE("a lane holds a window of posts, and the next one has to wait: threads") {
  check_window(RankKind::kThreads);
}

TEST_CASE("a lane holds a window of posts, and the next one has to wait: processes",
          "[processes]") {
  check_window(RankKind::kProcesses);
}

TEST_CASE("drained tells which messages have been read: threads") {
  check_drains(RankKind::kThreads);
}

TEST_CASE("drained tells which messages have been read: processes", "[processes]") {
  check_drains(RankKind::kProcesses);
}

TEST_CASE("inline and staged messages are drained at once", "[processes]") {
  const auto ended = run_transports(RankKind::kProcesses, 2, [](Transport& t) {
    const int peer = 1 - t.rank();
    for (const std::size_t bytes : {8u, 4'000u, 60'000u}) {
      auto data = pattern(bytes, 1);
      const Piece piece{data.data(), bytes};
      if (t.rank() == 0) {
        post(t, peer, 0, {&piece, 1});
        expect(t.endpoint(peer).drained(0, 0), "it is copied, so the source is free");
        std::fill(data.begin(), data.end(), std::byte{0});
        post(t, peer, 1, {});
      } else {
        receive(t, peer, 1, 0, How::kView);
        expect(receive(t, peer, 0, bytes, How::kView) == data, "the copy was not one");
      }
    }
  });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("lanes of one edge do not wait for each other, even when staging is full",
          "[processes]") {
  const auto ended = run_transports(
      RankKind::kProcesses, 2,
      [](Transport& t) {
        const int peer = 1 - t.rank();
        const std::size_t bytes = kTransitBytes;  // more than staging holds
        const auto data = pattern(bytes, 5);
        const Piece piece{data.data(), bytes};
        if (t.rank() == 0) {
          for (int lane = 0; lane < kLanes; ++lane) post(t, peer, lane, {&piece, 1});
          for (int lane = 0; lane < kLanes; ++lane) drain(t, peer, lane);
        } else {
          for (int lane = kLanes; lane-- > 0;)
            expect(receive(t, peer, lane, bytes, How::kFetch) == data, "wrong bytes");
        }
      },
      [](World& world) { world.cross_memory = CrossMemory::kNever; });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("ranks that differ on reading each other's memory agree at the start", "[processes]") {
  for (const CrossMemory other : {CrossMemory::kWhereCoresAreShared, CrossMemory::kNever}) {
    INFO("the other rank says " << static_cast<int>(other));
    const auto ended = run_transports(
        RankKind::kProcesses, 2,
        [](Transport& t) { exchange_sizes(t, Memory::kPageable, How::kView); },
        [&](World& world) { world.cross_memory = world.rank == 0 ? CrossMemory::kAlways : other; });
    CHECK(errors_of(ended) == "");
  }
}

TEST_CASE("many ranks exchange with all others: threads") { check_all_to_all(RankKind::kThreads); }

TEST_CASE("many ranks exchange with all others: processes", "[processes]") {
  check_all_to_all(RankKind::kProcesses);
}

TEST_CASE("registered memory is zeroed, aligned, reused, and refused where it must be",
          "[processes]") {
  const auto ended = run_transports(RankKind::kProcesses, 2, [](Transport& t) {
    auto* const first = static_cast<std::byte*>(t.allocate(10'000));
    auto* const second = static_cast<std::byte*>(t.allocate(0));
    auto* const third = static_cast<std::byte*>(t.allocate(0));
    expect(second != third && first != second, "pointers are not unique");
    expect(reinterpret_cast<std::uintptr_t>(first) % 4096 == 0, "not aligned");
    expect(std::accumulate(first, first + 10'000, 0,
                           [](int sum, std::byte b) { return sum + static_cast<int>(b); }) == 0,
           "not zeroed");
    std::memset(first, 7, 10'000);
    t.deallocate(first);
    auto* const again = static_cast<std::byte*>(t.allocate(9'000));
    expect(again == first, "not reused");
    expect(again[0] == std::byte{0} && again[8'999] == std::byte{0}, "not zeroed again");
    const auto refused = [&](void* pointer) {
      try {
        t.deallocate(pointer);
        return false;
      } catch (const Error& error) {
        return error.status() == TUTTI_INVALID;
      }
    };
    expect(refused(again + 4096) && refused(&t), "a foreign pointer is freed");
    t.deallocate(third);
    expect(refused(third), "freed twice");
    for (const std::size_t absurd : {std::size_t{1} << 62, static_cast<std::size_t>(-1)}) {
      try {
        t.allocate(absurd);
        expect(false, "an absurd allocation succeeds");
      } catch (const Error& error) {
        expect(error.status() == TUTTI_NO_MEMORY, "wrong status");
      }
    }
  });
  CHECK(errors_of(ended) == "");
}

TEST_CASE("a world of one starts alone") {
  World world;
  const auto t = make_shm_transport(world);
  CHECK(t->size() == 1);
  CHECK(t->scratch().size() == t->caps().scratch_bytes);
  void* const memory = t->allocate(1000);
  t->deallocate(memory);
  t->begin(some_call(1, 10), std::chrono::milliseconds(100));
  t->abandon(Error(TUTTI_INTERNAL, "test"));
}

}  // namespace tutti::test

// A peer may write anything into its segment: this rank answers with an error that names it, and
// never reads outside of what it may read.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "kernels/error.h"
#include "tests/catch.h"
#include "tests/kernel_operands.h"
#include "transport/shm/inbox.h"
#include "transport/shm/outbox.h"

namespace tutti {
namespace {

constexpr std::uint32_t kHash = 0x5eed;
constexpr std::size_t kLong = kInlineBytes + 16;  // announced, not inline

/// Rank 0's view of a hostile rank 1, as if that were another process. The test is both.
class Pair {
 public:
  Pair() {
    peers_.push_back(nullptr);
    peers_.push_back(std::make_unique<PeerSegment>(UniqueFd(dup(theirs_.fd())), 1, 2));
    link_.rank = 1;
    link_.pid = getpid();
    link_.mine = &channel(mine_).edge(1);
    link_.theirs = &channel(*peers_[1]).edge(0);
    link_.control = &control_.of(1);
    link_.own = &mine_;
    link_.segment = peers_[1].get();
    link_.own_calls = &channel(mine_).board();
    link_.peers_calls = &channel(*peers_[1]).board();
    link_.faults = &faults_;
    link_.landing = channel(mine_).transit();
  }

  /// What rank 1 writes.
  Edge& hostile() { return channel(theirs_).edge(0); }
  OwnSegment& hostile_segment() { return theirs_; }
  Control& control() { return control_; }
  FaultBoard& faults() { return faults_; }
  const PeerLink& link() const { return link_; }

  void announce(int lane, std::uint64_t sequence, const void* payload, std::size_t bytes) {
    Line& line = hostile().lines[lane][sequence % kWindow];
    std::memcpy(line.payload, payload, bytes);
    line.word.store(sequence << 32 | kHash);
  }

 private:
  static ChannelMemory<std::byte> channel(const OwnSegment& segment) {
    return {segment.channels(), ChannelLayout::of(2)};
  }
  static ChannelMemory<const std::byte> channel(const PeerSegment& segment) {
    return {segment.channels(), ChannelLayout::of(2)};
  }

  OwnSegment mine_{0, 2}, theirs_{1, 2};
  Control control_{2};
  std::vector<std::unique_ptr<PeerSegment>> peers_;
  FaultReport report_;
  std::uint64_t call_ = 0;
  FaultBoard faults_{0, control_, mine_, peers_, report_, channel(mine_).board(), call_};
  PeerLink link_;
};

/// Reads a message of `bytes` to its end, touching every byte. The error's text; empty if there is
/// none.
std::string read_all(Inbox& inbox, std::size_t bytes, bool by_view) {
  std::vector<std::byte> to(bytes);
  std::size_t done = 0;
  try {
    do {
      const View view = by_view
                            ? inbox.view(kHash, bytes - done)
                            : inbox.fetch(kHash, to.data() + done, bytes - done, Stores::kCached);
      if (!view.there) return "";
      REQUIRE(view.bytes <= bytes - done);
      if (by_view && view.bytes > 0) {
        std::memcpy(to.data() + done, view.data, view.bytes);
        inbox.advance(view.bytes);
      }
      done += view.bytes;
    } while (done < bytes);
    inbox.release();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string error_of(const Descriptor& descriptor, std::size_t bytes) {
  Pair pair;
  Inbox inbox(pair.link(), 0);
  pair.announce(0, 1, &descriptor, sizeof descriptor);
  return read_all(inbox, bytes, true);
}

template <typename Action>
std::string error_in(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("damaged announcements are errors that name the rank") {
  const auto [channels, channel_bytes, arena] = SegmentLayout::of(2);
  const std::uint64_t scratch = channels + ChannelLayout::of(2).scratch;
  const std::uint64_t end = channels + channel_bytes;
  const std::uint64_t all = ~std::uint64_t{0};
  const std::uint64_t staging = kStagingBlocks * kStagingBlockBytes;
  const Descriptor bad[] = {
      {.where = 0, .bytes = 0},                                          // empty
      {.where = 0, .bytes = kLong, .more = 1},                           // goes on past its end
      {.where = 0, .bytes = kLong, .more = 2},                           //
      {.where = 0, .bytes = kLong - 1},                                  // too short
      {.where = 0, .bytes = kLong + 1},                                  // too long
      {.where = 0, .bytes = all},                                        //
      {.where = staging - (kLong - 1), .bytes = kLong},                  // past staging
      {.where = all - 50, .bytes = kLong},                               // wraps around
      {.where = 0, .bytes = kLong, .place = Place::kSegment},            // the header
      {.where = scratch - 1, .bytes = kLong, .place = Place::kSegment},  //
      {.where = end - (kLong - 1), .bytes = kLong, .place = Place::kSegment},  // the next channel
      {.where = arena, .bytes = kLong, .place = Place::kSegment},              // nothing allocated
      {.where = all - 50, .bytes = kLong, .place = Place::kSegment},           //
      {.where = std::uint64_t{1} << 46, .bytes = kLong, .place = Place::kSegment},  //
      {.where = 16, .bytes = kLong, .place = Place::kAddress},                      // not mapped
      {.where = all - 50, .bytes = kLong, .place = Place::kAddress},                //
      {.where = 0, .bytes = kLong, .place = static_cast<Place>(0)},
      {.where = 0, .bytes = kLong, .place = static_cast<Place>(77)},
  };
  for (const Descriptor& descriptor : bad) {
    INFO("where " << descriptor.where << ", bytes " << descriptor.bytes << ", place "
                  << static_cast<int>(descriptor.place));
    CHECK(error_of(descriptor, kLong).find("rank 1") != std::string::npos);
  }
  CHECK(error_of({.where = staging - kLong, .bytes = kLong}, kLong) == "");
}

TEST_CASE("a sequence out of order is an error, what the last round left is not") {
  Pair pair;
  Inbox inbox(pair.link(), 0);
  const std::uint64_t value = 7;
  for (std::uint64_t sequence = 1; sequence <= 2 * kWindow; ++sequence) {
    CHECK(!inbox.view(kHash, 8).there);
    pair.announce(0, sequence, &value, sizeof value);
    CHECK(inbox.view(kHash, 8).there);
    inbox.advance(8);
    inbox.release();
  }
  pair.hostile().lines[0][(2 * kWindow + 1) % kWindow].word = std::uint64_t{12345} << 32 | kHash;
  CHECK(error_in([&] { inbox.view(kHash, 8); }).find("rank 1 damaged") != std::string::npos);
}

TEST_CASE("receipts for lines that were never sent are errors") {
  for (const std::uint64_t lie : {std::uint64_t{100}, ~std::uint64_t{0}}) {
    Pair pair;
    Staging staging{StagingPool(pair.link().mine->staging, kStagingBlockBytes),
                    StagingPool({}, kPageBytes)};
    Outbox outbox(pair.link(), staging, 0);
    const auto data = std::vector<std::byte>(4000);
    const Piece piece{data.data(), data.size()};
    REQUIRE(outbox.post(kHash, {&piece, 1}));
    pair.hostile().receipts[0].consumed = lie;
    CHECK(error_in([&] {
            for (std::uint32_t i = 0; i < 2 * kWindow; ++i) outbox.post(kHash, {&piece, 1});
          }).find("rank 1 damaged its receipts") != std::string::npos);
  }
}

TEST_CASE("a damaged fault record is still an error") {
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < 300; ++i) {
    Pair pair;
    char text[kFaultTextBytes];
    for (char& c : text) c = static_cast<char>(random());
    std::memcpy(pair.hostile_segment().header().fault_text, text, sizeof text);
    std::uint64_t word = random();
    if (i % 2 == 0) word = (word & ~std::uint64_t{0xffff}) | 1;  // the text is rank 1's
    if (word == 0) continue;
    pair.control().header().fault = word;
    CHECK(error_in([&] { pair.faults().raise(); }) != "");
  }
}

TEST_CASE("segments of another world, too short or not sealed are refused") {
  OwnSegment segment(1, 2);
  CHECK(error_in([&] { PeerSegment(UniqueFd(dup(segment.fd())), 2, 3); }).find("rank 2") == 0);
  CHECK(error_in([&] { PeerSegment(UniqueFd(dup(segment.fd())), 0, 2); }).find("rank 0") == 0);
  CHECK(error_in([&] {
          PeerSegment(UniqueFd(dup(MemoryFile("short", 4096).fd())), 1, 2);
        }).find("rank 1") == 0);
  UniqueFd loose(memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  REQUIRE(ftruncate(loose.get(), 64 << 20) == 0);
  CHECK(error_in([&] { PeerSegment(std::move(loose), 1, 2); }).find("could shrink") !=
        std::string::npos);
}

TEST_CASE("a peer's arena can be read across the parts that are mapped at a time") {
  constexpr std::size_t kBytes = kArenaWindowBytes + 2 * kClaimBytes;
  OwnSegment segment(1, 2);
  auto* const bytes = static_cast<std::byte*>(segment.allocate(kBytes));
  PeerSegment peer(UniqueFd(dup(segment.fd())), 1, 2);
  const std::uint64_t arena = SegmentLayout::of(2).arena;
  const std::uint64_t end = arena + kArenaWindowBytes;
  for (const std::uint64_t begin : {end - 3, end - 1, end, end - kClaimBytes + 1}) {
    CAPTURE(begin - arena);
    const auto there = peer.at(begin, kClaimBytes);
    REQUIRE(there.size() == kClaimBytes);
    bytes[begin - arena + kClaimBytes - 1] = std::byte{42};
    CHECK(there.back() == std::byte{42});
    bytes[begin - arena + kClaimBytes - 1] = std::byte{0};
  }
}

TEST_CASE("random announcements never read what they may not") {
  std::mt19937_64 random(test_seed());
  const auto one_of = [&](std::initializer_list<std::uint64_t> values) {
    return *(values.begin() + static_cast<std::ptrdiff_t>(random() % values.size()));
  };
  const SegmentLayout layout = SegmentLayout::of(2);
  for (int world = 0; world < 60; ++world) {
    Pair pair;
    static_cast<void>(pair.hostile_segment().allocate(100'000));
    for (int round = 0; round < 100; ++round) {
      pair.control().header().fault = 0;  // as if the world were new
      FaultBoard* const faults = pair.link().faults;
      REQUIRE(!faults->poisoned());
      const int lane = static_cast<int>(random() % kLanes);
      Inbox inbox(pair.link(), lane);
      const std::size_t bytes = one_of({kInlineBytes + 1, kLong, 4096, 30'000, 300'000});
      for (std::uint64_t sequence = 1; sequence <= kWindow; ++sequence) {
        Descriptor d;
        d.where = one_of({0, random() % 30'000,
                          layout.channels + random() % (kChannels * layout.channel_bytes),
                          layout.arena + random() % 200'000, random(), ~(random() % 1000)});
        d.bytes = one_of({bytes, bytes / 2, random() % (bytes + 10), random()});
        d.place = static_cast<Place>(random() % 5);
        d.more = static_cast<std::uint8_t>(one_of({0, 1, 1, random()}));
        pair.announce(lane, sequence, &d, sizeof d);
      }
      const std::string error = read_all(inbox, bytes, random() % 2 == 0);
      if (!error.empty()) CHECK(error.find("rank 1") != std::string::npos);
    }
  }
}

}  // namespace tutti

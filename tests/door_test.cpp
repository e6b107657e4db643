// Whoever else connects where ranks meet neither stops them nor joins them.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <thread>

#include "kernels/error.h"
#include "tests/catch.h"
#include "tests/meeting.h"
#include "transport/bootstrap/channel.h"
#include "transport/bootstrap/door.h"

using namespace tutti;
using namespace tutti::test;
using std::chrono::milliseconds;

namespace {

/// Where ranks of this user meet.
struct Place {
  sockaddr_un name{};
  socklen_t bytes = 0;

  explicit Place(const std::string& address) {
    const std::string text = socket_name(address);
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, text.data(), text.size());
    bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

/// A connection of no rank's, or none if nobody listens yet.
UniqueFd intrude(const Place& place) {
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(fd.get(), place.get(), place.bytes) != 0) return UniqueFd();
  return fd;
}
UniqueFd intrude(const std::string& address) { return intrude(Place(address)); }

std::string read_left(int fd) {
  std::array<char, 8192> buffer{};
  const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
  return got > 0 ? std::string(buffer.data(), static_cast<std::size_t>(got)) : "";
}

void read_when_there(int fd) {
  pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
  wait_for({&readable, 1}, Clock::now() + milliseconds(20'000));
}

/// Arrives as a rank does, and says nothing more.
Channel say_hello(const World& world) {
  UniqueFd fd;
  while (!(fd = intrude(world.address))) std::this_thread::sleep_for(milliseconds(1));
  Channel channel(std::move(fd));
  Message hello{.kind = Kind::kHello, .rank = world.rank, .value = world.size};
  const std::int64_t patience_ms = world.start_timeout.count();
  hello.payload.resize(sizeof patience_ms);
  std::memcpy(hello.payload.data(), &patience_ms, sizeof patience_ms);
  expect(channel.send(hello) == Sent::kDone, "hello");
  return channel;
}

void start(const World& world) {
  const auto rendezvous = meet(world);
  expect(static_cast<int>(rendezvous->exchange({}).size()) == world.size, "number of cards");
  rendezvous->barrier();
}

/// Lets `size` ranks meet, the last only when `intruder` is done with the others' door.
std::string meet_with(int size, const std::function<void(const std::string& address)>& intruder) {
  const auto ranks = worlds(size);
  std::atomic<bool> intruded{false};
  std::thread pest([&] {
    while (!intrude(ranks[0].address)) std::this_thread::sleep_for(milliseconds(1));
    intruder(ranks[0].address);
    intruded = true;
  });
  const auto outcomes = meet_all(RankKind::kThreads, ranks, [&](const World& world) {
    while (world.rank == world.size - 1 && !intruded) std::this_thread::sleep_for(milliseconds(1));
    start(world);
  });
  pest.join();
  return failures(outcomes);
}

/// The first bytes of a message of any version: magic and version.
std::vector<std::byte> greeting(std::int32_t version) {
  const std::uint64_t magic = 0x7475747469207276;
  std::vector<std::byte> bytes(sizeof magic + sizeof version);
  std::memcpy(bytes.data(), &magic, sizeof magic);
  std::memcpy(bytes.data() + sizeof magic, &version, sizeof version);
  return bytes;
}

std::ptrdiff_t open_descriptors() {
  namespace fs = std::filesystem;
  return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
}

}  // namespace

TEST_CASE("silent connections neither stop ranks nor take room") {
  std::vector<UniqueFd> silent;
  const auto began = Clock::now();
  CHECK(meet_with(4, [&](const std::string& address) {
          for (int i = 0; i < 600; ++i) silent.push_back(intrude(address));
        }) == "");
  CHECK(Clock::now() - began < milliseconds(8000));  // 64 every 2 s would be 18 s
}

TEST_CASE("the door keeps at most 64 silent connections, and those for 2 s") {
  const std::string address = fresh_address();
  auto door = Door::open(address);
  REQUIRE(door);
  CHECK(!Door::open(address));
  const auto before = open_descriptors();
  const auto began = Clock::now();
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 200; ++i) {
    silent.push_back(intrude(address));
    door->answer();
  }
  const auto expiry = door->next_expiry();
  CHECK(expiry >= began + milliseconds(2000));
  CHECK(expiry <= Clock::now() + milliseconds(2000));
  if (Clock::now() < began + milliseconds(2000)) CHECK(open_descriptors() == before + 200 + 64);
  while (door->next_expiry() != Clock::time_point::max()) {
    std::this_thread::sleep_until(door->next_expiry());
    door->answer();
  }
  CHECK(open_descriptors() == before + 200);
}

TEST_CASE("malformed messages are dropped, of any length") {
  std::mt19937 random(1);
  std::vector<UniqueFd> open;
  CHECK(meet_with(3, [&](const std::string& address) {
          for (const std::size_t bytes : {0u, 1u, 11u, 12u, 31u, 32u, 40u, 4000u, 100'000u}) {
            for (const bool greets : {false, true}) {
              auto message = greets ? greeting(TUTTI_VERSION) : std::vector<std::byte>();
              if (greets && bytes < message.size()) continue;
              while (message.size() < bytes) message.push_back(static_cast<std::byte>(random()));
              open.push_back(intrude(address));
              send(open.back().get(), message.data(), message.size(), MSG_NOSIGNAL);
            }
          }
        }) == "");
  for (const UniqueFd& fd : open) CHECK(read_left(fd.get()) == "");
}

TEST_CASE("descriptors sent to the door are not taken in") {
  CHECK(meet_with(2, [&](const std::string& address) {
          const Channel channel(intrude(address));
          Message message{.kind = Kind::kHello, .rank = 1, .value = 2};
          message.fds.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
          channel.send(message);
          std::this_thread::sleep_for(milliseconds(50));
        }) == "");
}

TEST_CASE("a rank with another version of Tutti is an error on every rank") {
  auto ranks = worlds(3);
  ranks.pop_back();
  UniqueFd other;
  std::thread newcomer([&] {
    while (!(other = intrude(ranks[0].address))) std::this_thread::sleep_for(milliseconds(1));
    const auto message = greeting(TUTTI_VERSION + 100);
    send(other.get(), message.data(), message.size(), MSG_NOSIGNAL);
  });
  const auto outcomes = meet_all(RankKind::kThreads, ranks, start);
  newcomer.join();
  for (const Outcome& outcome : outcomes) {
    CHECK(outcome.status == TUTTI_INVALID);
    CHECK_THAT(outcome.text, Catch::Contains("runs Tutti 0.2.0, but rank 0 runs 0.1.0"));
  }
  CHECK_THAT(read_left(other.get()), Catch::Contains("runs Tutti 0.2.0, but rank 0 runs 0.1.0"));
}

TEST_CASE("a rank that speaks nonsense after hello is named, and ends the start") {
  const auto body = [](const World& world) {
    if (world.rank != 2) return start(world);
    const Channel channel = say_hello(world);
    send(channel.fd(), "nonsense", 8, MSG_NOSIGNAL);
    read_when_there(channel.fd());
  };
  const auto outcomes = meet_all(RankKind::kThreads, worlds(3), body);
  for (const std::size_t rank : {0u, 1u}) {
    CHECK(outcomes[rank].status == TUTTI_INTERNAL);
    CHECK_THAT(outcomes[rank].text,
               Catch::Contains("rank 2 (pid ") && Catch::Contains("malformed"));
  }
}

TEST_CASE("a rank that dies before all have come is named") {
  const auto body = [](const World& world) {
    world.rank == 2 ? void(say_hello(world)) : start(world);
  };
  auto ranks = worlds(4);
  ranks.pop_back();
  const auto outcomes = meet_all(RankKind::kThreads, ranks, body);
  for (const std::size_t rank : {0u, 1u}) {
    CHECK(outcomes[rank].status == TUTTI_PEER_FAILED);
    CHECK_THAT(outcomes[rank].text,
               Catch::Contains("rank 2 (pid ") && Catch::Contains("died or left"));
  }
}

TEST_CASE("the death of rank 0 before all have come is told to who has") {
  const auto body = [](const World& world) {
    if (world.rank != 0) return start(world);
    auto door = Door::open(world.address);
    std::vector<Arrival> arrivals;
    while (arrivals.size() < 2)
      for (Arrival& arrival : door->answer()) arrivals.push_back(std::move(arrival));
  };
  auto ranks = worlds(4);
  ranks.pop_back();
  const auto outcomes = meet_all(RankKind::kThreads, ranks, body);
  for (const std::size_t rank : {1u, 2u}) {
    CHECK(outcomes[rank].status == TUTTI_PEER_FAILED);
    CHECK_THAT(outcomes[rank].text,
               Catch::Contains("rank 0 (pid ") && Catch::Contains("died or left"));
  }
}

TEST_CASE("a message carries up to 4 descriptors, closed on exec") {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
  const Channel from{UniqueFd(ends[0])}, to{UniqueFd(ends[1])};
  for (std::size_t count = 0; count <= kMostFds; ++count) {
    Message message{.kind = Kind::kCard, .rank = 3, .value = 17};
    message.payload.resize(kMostPayload, std::byte{9});
    for (std::size_t i = 0; i < count; ++i)
      message.fds.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(from.send(message) == Sent::kDone);
    Message received;
    REQUIRE(to.receive(received, true) == Received::kMessage);
    CHECK(received.payload == message.payload);
    CHECK(received.value == 17);
    REQUIRE(received.fds.size() == count);
    for (const UniqueFd& fd : received.fds) CHECK(fcntl(fd.get(), F_GETFD) == FD_CLOEXEC);
  }
  Message nothing;
  CHECK(to.receive(nothing, true) == Received::kNothing);
}

// ---- Other users --------------------------------------------------------------------------------

namespace {

/// A process of another user, ended with this object. Its body's result is its exit status.
class Stranger {
 public:
  explicit Stranger(const std::function<int()>& body) : pid_(fork()) {
    if (pid_ != 0) return;
    _exit(setresuid(kNobody, kNobody, kNobody) == 0 ? body() : kNotAllowed);
  }
  ~Stranger() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  /// Its exit status, if it has ended.
  std::optional<int> ended() {
    int status = 0;
    if (pid_ <= 0 || waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  static constexpr uid_t kNobody = 65534;
  static constexpr int kNotAllowed = 77;

 private:
  pid_t pid_;
};

/// Whether this process may become another user; says so where it may not.
bool can_be_stranger() {
  Stranger probe([] { return 0; });
  std::optional<int> status;
  while (!(status = probe.ended())) std::this_thread::sleep_for(milliseconds(1));
  if (status != 0) skip_test("taking another user's id takes root");
  return status == 0;
}

}  // namespace

TEST_CASE("a process of another user is shut out at the door, whatever it says", "[processes]") {
  if (!can_be_stranger()) return;
  const std::string address = fresh_address();
  const Place place(address);
  auto door = Door::open(address);
  REQUIRE(door);
  Stranger stranger([&] {
    const Channel channel(intrude(place));
    if (!channel) return 1;
    channel.send({.kind = Kind::kHello, .rank = 1, .value = 2});  // as a rank would
    pollfd readable{.fd = channel.fd(), .events = POLLIN, .revents = 0};
    wait_for({&readable, 1}, Clock::now() + milliseconds(20'000));
    Message answer;
    return channel.receive(answer, true) == Received::kClosed ? 0 : 2;
  });
  std::optional<int> status;
  while (!(status = stranger.ended())) {
    CHECK(door->answer().empty());
    std::this_thread::sleep_for(milliseconds(1));
  }
  CHECK(status == 0);
  CHECK(door->answer().empty());
  CHECK(door->next_expiry() == Clock::time_point::max());  // nor does it wait inside
}

TEST_CASE("a rank does not enter where another user listens, and names the user", "[processes]") {
  if (!can_be_stranger()) return;
  auto ranks = worlds(2);
  const Place place(ranks[0].address);
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const UniqueFd from(ends[0]), to(ends[1]);
  const Stranger stranger([&] {
    const UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (bind(fd.get(), place.get(), place.bytes) != 0 || listen(fd.get(), 8) != 0) return 1;
    if (write(to.get(), "x", 1) != 1) return 1;
    std::this_thread::sleep_for(milliseconds(60'000));
    return 0;
  });
  char listens = 0;
  REQUIRE(read(from.get(), &listens, 1) == 1);
  for (const World& world : ranks) {
    CAPTURE(world.rank);
    try {
      meet(world);
      FAIL_CHECK("it entered");
    } catch (const Error& error) {
      CHECK(error.status() == TUTTI_INVALID);
      CHECK_THAT(error.what(), Catch::Contains("the socket at '" + world.address +
                                               "' belongs to user 65534, not to this one"));
    }
  }
}

// Ranks other than 0: knock until the door is there, then speak with rank 0 only.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>
#include <type_traits>

#include "transport/bootstrap/rendezvous.h"
#include "transport/system_error.h"

namespace tutti {
namespace {

using std::chrono::milliseconds;

constexpr auto kShortestNap = milliseconds(1), kLongestNap = milliseconds(20);
// A host whose deadline passes tells its guests which ranks are missing: they give it time to.
constexpr auto kGrace = milliseconds(1000);

// Abstract sockets do not reach further.
constexpr const char* kSameNetwork =
    " (is it of the same user, in the same network namespace, and its TUTTI_ADDR the same?)";

void nap(milliseconds& length) {
  std::this_thread::sleep_for(length);
  length = std::min(2 * length, kLongestNap);
}

/// None while nobody listens, or more are waiting than the kernel queues.
std::optional<Channel> knock(const World& world) {
  Channel channel(open_socket());
  sockaddr_un place{};
  place.sun_family = AF_UNIX;
  const std::string name = socket_name(world.address);
  std::memcpy(place.sun_path, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  while (connect(channel.fd(), reinterpret_cast<sockaddr*>(&place), length) != 0) {
    if (errno == EINTR) continue;
    if (errno == ECONNREFUSED || errno == EAGAIN || errno == ENOENT) return std::nullopt;
    throw system_error("rank " + std::to_string(world.rank) + ": cannot connect to rank 0", errno);
  }
  const Credentials host = channel.peer();
  if (host.uid != geteuid())
    throw Error(TUTTI_INVALID, "the socket " + place_of(world) + " belongs to user " +
                                   std::to_string(host.uid) + ", not to this one");
  return channel;
}

std::string name_host(const Channel& channel) {
  return "rank 0 (pid " + std::to_string(channel.peer().pid) + ")";
}

/// Tells how long this rank goes on waiting, so that rank 0 can say in time who is missing.
Message hello_message(const World& world, Clock::time_point until) {
  Message hello{.kind = Kind::kHello, .rank = world.rank, .value = world.size};
  const std::int64_t left_ms = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
  hello.payload.resize(sizeof left_ms);
  std::memcpy(hello.payload.data(), &left_ms, sizeof left_ms);
  return hello;
}

/// The next word from rank 0. Throws what it failed with, or that it is gone or late.
Message await(const World& world, const Channel& channel, Clock::time_point until) {
  for (;;) {
    Message message;
    const Received received = channel.receive(message, true);
    if (received == Received::kMessage && message.kind == Kind::kError) throw error_of(message);
    if (received == Received::kMessage && message.version == TUTTI_VERSION) return message;
    if (received == Received::kClosed)
      throw Error(TUTTI_PEER_FAILED,
                  name_host(channel) + " died or left during the start " + place_of(world));
    if (received == Received::kOutOfDescriptors)
      throw Error(TUTTI_NO_MEMORY, "rank " + std::to_string(world.rank) +
                                       " ran out of file descriptors while it received those of "
                                       "the other ranks: " +
                                       descriptor_limit());
    if (received != Received::kNothing)
      throw Error(TUTTI_INTERNAL, name_host(channel) + " sent something malformed");
    if (Clock::now() >= until)
      throw Error(TUTTI_TIMEOUT, "rank " + std::to_string(world.rank) + ": no word from " +
                                     name_host(channel) + " within " + in_ms(world.start_timeout));
    pollfd fd{.fd = channel.fd(), .events = POLLIN, .revents = 0};
    wait_for({&fd, 1}, until);
  }
}

/// What is sent can wait, but not beyond `until`. A host that is gone has perhaps said why: await()
/// finds out.
void send(const Channel& channel, const Message& message, Clock::time_point until) {
  milliseconds length = kShortestNap;
  for (;;) {
    const Sent sent = channel.send(message);
    if (sent == Sent::kDone || sent == Sent::kClosed || Clock::now() >= until) return;
    if (sent == Sent::kTooManyInFlight) nap(length);
    if (sent != Sent::kFull) continue;
    pollfd fd{.fd = channel.fd(), .events = POLLOUT, .revents = 0};
    wait_for({&fd, 1}, until);
  }
}

class Guest final : public Rendezvous {
 public:
  explicit Guest(const World& world)
      : world_(world), channel_(join(world, Clock::now() + world.start_timeout)) {}

  std::vector<Card> exchange(Card mine) override {
    return reporting([&] {
      const auto until = verdict_due();
      Message own = card_message(world_.rank, std::move(mine));
      send(channel_, own, until);
      const auto size = static_cast<std::size_t>(world_.size);
      std::vector<Card> cards(size);
      pids_.assign(size, kUnknown);
      for (std::size_t missing = size - 1; missing > 0; --missing) take_card(cards, until);
      const auto self = static_cast<std::size_t>(world_.rank);
      pids_[self] = getpid();
      cards[self] = {std::move(own.payload), std::move(own.fds)};
      return cards;
    });
  }

  int pid_of(int rank) const override { return pids_.at(static_cast<std::size_t>(rank)); }

  void barrier() override {
    reporting([&] {
      const auto until = verdict_due();
      send(channel_, {.kind = Kind::kReached, .rank = world_.rank}, until);
      expect(await(world_, channel_, until), Kind::kGo);
    });
  }

 private:
  static constexpr int kUnknown = -1;

  /// Rank 0 counts the same time from when it comes itself, and then says who is missing.
  Clock::time_point verdict_due() const { return Clock::now() + 2 * world_.start_timeout + kGrace; }

  void expect(const Message& message, Kind kind) const {
    if (message.kind != kind)
      throw Error(TUTTI_INTERNAL, "rank " + std::to_string(world_.rank) + ": " +
                                      name_host(channel_) + " is at another step of the start");
  }

  void take_card(std::vector<Card>& cards, Clock::time_point until) {
    Message message = await(world_, channel_, until);
    expect(message, Kind::kCard);
    const auto from = static_cast<std::size_t>(message.rank);
    const bool known = message.rank >= 0 && from < cards.size() && message.rank != world_.rank;
    if (!known || pids_[from] != kUnknown || message.value < 0)
      throw Error(TUTTI_INTERNAL, name_host(channel_) + " sent a card of rank " +
                                      std::to_string(message.rank) + " to rank " +
                                      std::to_string(world_.rank));
    pids_[from] = static_cast<int>(message.value);
    cards[from] = {std::move(message.payload), std::move(message.fds)};
  }

  /// Runs `work`; if it fails, rank 0 is told, so that all ranks give the same reason.
  template <typename Work>
  std::invoke_result_t<Work> reporting(Work work) {
    try {
      return work();
    } catch (const Error& error) {
      channel_.send(error_message(error));
      throw;
    }
  }

  const World world_;
  const Channel channel_;
  std::vector<int> pids_;
};

}  // namespace

Channel join(const World& world, Clock::time_point until) {
  milliseconds length = kShortestNap;
  while (Clock::now() < until) {
    std::optional<Channel> channel = knock(world);
    if (channel) {
      channel->send(hello_message(world, until));
      const Message answer = await(world, *channel, until + kGrace);
      if (answer.kind == Kind::kWelcome) return std::move(*channel);
      if (answer.kind != Kind::kBusy)
        throw Error(TUTTI_INTERNAL, name_host(*channel) + " answered hello with something else");
    }
    nap(length);
  }
  throw Error(TUTTI_TIMEOUT, "rank 0 of " + std::to_string(world.size) +
                                 " did not come to the meeting " + place_of(world) + " within " +
                                 in_ms(world.start_timeout) + kSameNetwork);
}

std::unique_ptr<Rendezvous> make_guest(const World& world) {
  return std::make_unique<Guest>(world);
}

}  // namespace tutti

// Rank 0: lets the others in, then collects from all and gives to all.
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <thread>

#include "transport/bootstrap/door.h"
#include "transport/bootstrap/rendezvous.h"
#include "transport/system_error.h"

namespace tutti {
namespace {

using std::chrono::milliseconds;

/// How long rank 0 tries to tell the others why it gives up.
constexpr auto kFarewell = milliseconds(500);
/// How long it goes on telling those who arrive later.
constexpr auto kLatecomers = milliseconds(1000);

Clock::time_point deadline_of(const World& world) { return Clock::now() + world.start_timeout; }

/// Opens the door. Where its name is taken, whoever holds it is told that there are two ranks 0.
Door open_door(const World& world) {
  const auto until = deadline_of(world);
  for (;;) {
    if (std::optional<Door> door = Door::open(world.address)) return std::move(*door);
    // Returns or throws what the other rank 0 says; TUTTI_TIMEOUT if it has just gone.
    World rival = world;
    rival.start_timeout = milliseconds(200);
    try {
      join(rival, Clock::now() + rival.start_timeout);
    } catch (const Error& error) {
      if (error.status() != TUTTI_TIMEOUT) throw;
    }
    if (Clock::now() >= until)
      throw Error(TUTTI_INVALID, "rank 0: another process listens " + place_of(world));
  }
}

class Host final : public Rendezvous {
 public:
  explicit Host(const World& world) : world_(world), peers_(static_cast<std::size_t>(world.size)) {
    telling_all([&] { gather(); });
  }

  std::vector<Card> exchange(Card mine) override {
    step_ = "exchange of cards";
    std::vector<Message> cards(peers_.size());
    telling_all([&] {
      cards[0] = card_message(0, std::move(mine));
      collect(Kind::kCard, [&](std::size_t rank, Message& card) { cards[rank] = std::move(card); });
      for (std::size_t rank = 0; rank < cards.size(); ++rank) {
        cards[rank].rank = static_cast<int>(rank);
        cards[rank].value = pid_of(static_cast<int>(rank));
      }
      distribute(cards);
    });
    std::vector<Card> all;
    for (std::size_t rank = 0; rank < cards.size(); ++rank) {
      if (rank != 0 && same_process(0, rank)) cards[rank].fds.clear();
      all.push_back({std::move(cards[rank].payload), std::move(cards[rank].fds)});
    }
    return all;
  }

  int pid_of(int rank) const override {
    return rank == 0 ? getpid() : peers_.at(static_cast<std::size_t>(rank)).pid;
  }

  void barrier() override {
    step_ = "barrier";
    telling_all([&] {
      collect(Kind::kReached, [](std::size_t, Message&) {});
      // All have come; whoever dies from now on is the next step's business.
      for (std::size_t rank = 1; rank < peers_.size(); ++rank)
        peers_[rank].channel.send({.kind = Kind::kGo});
    });
  }

 private:
  struct Peer {
    Channel channel;  // none: has not arrived
    int pid = 0;
    bool reached = false;  // collect(): has sent what is asked for
    std::size_t next = 0;  // distribute(): the next card to send
  };

  // ---- Meeting -------------------------------------------------------------------------------

  void gather() {
    std::optional<Door> door = open_door(world_);
    try {
      let_all_in(*door);
    } catch (const Error& error) {
      if (error.status() != TUTTI_TIMEOUT) turn_away_latecomers(*door, error);
      throw;
    }
    // Closed before anyone goes on, so that the name is free for this world's ranks to meet again.
    door.reset();
    for (std::size_t rank = 1; rank < peers_.size(); ++rank)
      peers_[rank].channel.send({.kind = Kind::kWelcome});
  }

  void let_all_in(Door& door) {
    auto until = deadline_of(world_);
    for (std::size_t arrived = 1; arrived < peers_.size();) {
      std::vector<pollfd> fds;
      door.watch(fds);
      const std::size_t first_peer = fds.size();
      watch_peers(fds, [](const Peer&) { return POLLIN; });
      wait_for(fds, std::min(until, door.next_expiry()));
      for (arrivals_ = door.answer(); !arrivals_.empty(); ++arrived) {
        Arrival next = std::move(arrivals_.back());
        arrivals_.pop_back();
        until = std::min(until, admit(std::move(next)));
      }
      hear_peers({fds.begin() + static_cast<std::ptrdiff_t>(first_peer), fds.end()});
      if (arrived < peers_.size() && Clock::now() >= until) give_up_waiting();
    }
  }

  /// The start has failed: those who are still on their way learn it too, for a while, rather than
  /// knock until their own patience ends.
  void turn_away_latecomers(Door& door, const Error& error) {
    std::vector<bool> seen(peers_.size());
    for (std::size_t rank = 1; rank < peers_.size(); ++rank) seen[rank] = !!peers_[rank].channel;
    seen[0] = true;
    tell_all(error);
    const auto until = Clock::now() + kLatecomers;
    for (;;) {
      for (const Arrival& late : arrivals_) {
        late.channel.send(error_message(error));
        const auto rank = static_cast<std::size_t>(late.hello.rank);
        if (late.hello.rank >= 0 && rank < seen.size()) seen[rank] = true;
      }
      const bool all_know = std::find(seen.begin(), seen.end(), false) == seen.end();
      if (all_know || Clock::now() >= until) return;
      std::vector<pollfd> fds;
      door.watch(fds);
      wait_for(fds, std::min(until, door.next_expiry()));
      arrivals_ = door.answer();
    }
  }

  /// Takes a rank in, and returns when its own patience ends. Fails for all if it cannot belong
  /// here.
  Clock::time_point admit(Arrival arrival) {
    const Message& hello = arrival.hello;
    const std::string who =
        "rank " + std::to_string(hello.rank) + " (pid " + std::to_string(arrival.who.pid) + ")";
    const auto refuse = [&](const std::string& text) {
      const Error error(TUTTI_INVALID, text);
      arrival.channel.send(error_message(error));
      throw error;
    };
    if (hello.version != TUTTI_VERSION)
      refuse("pid " + std::to_string(arrival.who.pid) + " runs Tutti " +
             name_version(hello.version) + ", but rank 0 runs " + name_version(TUTTI_VERSION));
    if (hello.value != world_.size)
      refuse(who + " expects a world of " + std::to_string(hello.value) +
             " ranks, but rank 0 one of " + std::to_string(world_.size) + " " + place_of(world_));
    if (hello.rank < 0 || hello.rank >= world_.size)
      refuse("pid " + std::to_string(arrival.who.pid) + " claims rank " +
             std::to_string(hello.rank) + ", but the world " + place_of(world_) +
             " has ranks 0 to " + std::to_string(world_.size - 1));
    Peer& peer = peers_[static_cast<std::size_t>(hello.rank)];
    if (hello.rank == 0 || peer.channel)
      refuse("rank " + std::to_string(hello.rank) + " " + place_of(world_) +
             " is claimed twice: by pid " + std::to_string(pid_of(hello.rank)) + " and by pid " +
             std::to_string(arrival.who.pid));
    peer.channel = std::move(arrival.channel);
    peer.pid = arrival.who.pid;
    return patience_of(hello);
  }

  Clock::time_point patience_of(const Message& hello) const {
    std::int64_t left_ms = 0;
    if (hello.payload.size() == sizeof left_ms)
      std::memcpy(&left_ms, hello.payload.data(), sizeof left_ms);
    const std::int64_t most_ms = world_.start_timeout.count();
    return Clock::now() + milliseconds(std::clamp<std::int64_t>(left_ms, 0, most_ms));
  }

  // ---- All to rank 0 ---------------------------------------------------------------------------

  /// Takes one message of `kind` from everybody.
  template <typename Take>
  void collect(Kind kind, Take take) {
    const auto until = deadline_of(world_);
    for (Peer& peer : peers_) peer.reached = false;
    for (std::size_t missing = peers_.size() - 1; missing > 0;) {
      std::vector<pollfd> fds;
      watch_peers(fds, [](const Peer& peer) { return peer.reached ? 0 : POLLIN; });
      wait_for(fds, until);
      missing -= hear_peers(fds, [&](std::size_t rank, Message& message) {
        if (message.kind != kind) fail_at_another_step(rank);
        take(rank, message);
      });
      if (missing > 0 && Clock::now() >= until) give_up_waiting();
    }
  }

  // ---- Rank 0 to all ---------------------------------------------------------------------------

  void distribute(const std::vector<Message>& cards) {
    const auto until = deadline_of(world_);
    for (;;) {
      bool in_flight = false;
      for (std::size_t rank = 1; rank < peers_.size(); ++rank)
        in_flight |= send_cards(peers_[rank], rank, cards) == Sent::kTooManyInFlight;
      const auto unfinished = [&](const Peer& peer) { return peer.next < cards.size(); };
      if (std::none_of(peers_.begin() + 1, peers_.end(), unfinished)) return;
      std::vector<pollfd> fds;
      // Poll would say that there is room, although descriptors must first be received elsewhere.
      const short events = in_flight ? POLLIN : POLLIN | POLLOUT;
      watch_peers(fds, [&](const Peer& peer) { return unfinished(peer) ? events : kIgnored; });
      wait_for(fds, in_flight ? Clock::now() + milliseconds(1) : until);
      hear_peers(fds);
      if (Clock::now() >= until) give_up_sending(cards.size());
    }
  }

  /// Sends what the connection takes now.
  Sent send_cards(Peer& peer, std::size_t rank, const std::vector<Message>& cards) {
    for (; peer.next < cards.size(); ++peer.next) {
      if (peer.next == rank) continue;
      const Sent sent = peer.channel.send(cards[peer.next], !same_process(rank, peer.next));
      if (sent == Sent::kClosed) lose(rank);
      if (sent != Sent::kDone) return sent;
    }
    return Sent::kDone;
  }

  /// Ranks that are threads of one process have each other's descriptors already, and many ranks'
  /// threads would run out of them. A pid of 0 is one that we cannot see from this container.
  bool same_process(std::size_t a, std::size_t b) const {
    const int pid = pid_of(static_cast<int>(a));
    return pid != 0 && pid == pid_of(static_cast<int>(b));
  }

  // ---- Listening -------------------------------------------------------------------------------

  static constexpr int kIgnored = -1;

  /// One entry a rank; `events_of` says what to wait for, 0 for death only, kIgnored for nothing.
  template <typename EventsOf>
  void watch_peers(std::vector<pollfd>& fds, EventsOf events_of) const {
    for (const Peer& peer : peers_) {
      const int events = peer.channel ? events_of(peer) : kIgnored;
      fds.push_back({.fd = events == kIgnored ? -1 : peer.channel.fd(),
                     .events = static_cast<short>(std::max(events, 0)),
                     .revents = 0});
    }
  }

  /// Reads from all ranks that poll() named; who is gone or has failed makes the start fail.
  /// Returns how many messages `take` was given.
  template <typename Take>
  std::size_t hear_peers(const std::vector<pollfd>& fds, Take take) {
    std::size_t heard = 0;
    for (std::size_t rank = 1; rank < peers_.size(); ++rank) {
      if ((fds[rank].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
      Message message;
      const Received received = peers_[rank].channel.receive(message, true);
      if (received == Received::kNothing) continue;
      if (received == Received::kOutOfDescriptors)
        throw Error(TUTTI_NO_MEMORY,
                    "rank 0 ran out of file descriptors while it received those of " + name(rank) +
                        ": " + descriptor_limit());
      if (received == Received::kClosed) lose(rank);
      if (received != Received::kMessage || message.version != TUTTI_VERSION)
        throw Error(TUTTI_INTERNAL, name(rank) + " sent something malformed");
      if (message.kind == Kind::kError) throw error_of(message);
      take(rank, message);
      peers_[rank].reached = true;
      ++heard;
    }
    return heard;
  }

  /// For when nobody has anything to say.
  void hear_peers(const std::vector<pollfd>& fds) {
    hear_peers(fds, [&](std::size_t rank, Message&) { fail_at_another_step(rank); });
  }

  // ---- Failing, on every rank with the same text -----------------------------------------------

  std::string name(std::size_t rank) const {
    return "rank " + std::to_string(rank) + " (pid " + std::to_string(peers_[rank].pid) + ")";
  }

  [[noreturn]] void lose(std::size_t rank) {
    Message last;  // perhaps it has said why
    while (peers_[rank].channel.receive(last, true) == Received::kMessage)
      if (last.kind == Kind::kError) throw error_of(last);
    throw Error(TUTTI_PEER_FAILED, name(rank) + " died or left before the end of the " + step_ +
                                       " " + place_of(world_));
  }

  [[noreturn]] void fail_at_another_step(std::size_t rank) {
    throw Error(TUTTI_INTERNAL, name(rank) + " is at another step of the start than the " + step_);
  }

  [[noreturn]] void give_up_waiting() {
    std::vector<int> missing;
    for (std::size_t rank = 1; rank < peers_.size(); ++rank)
      if (!peers_[rank].channel || (step_ != kMeeting && !peers_[rank].reached))
        missing.push_back(static_cast<int>(rank));
    throw Error(TUTTI_TIMEOUT, name_ranks(missing) + " of " + std::to_string(world_.size) +
                                   " did not come to the " + step_ + " " + place_of(world_) +
                                   " within " + in_ms(world_.start_timeout));
  }

  [[noreturn]] void give_up_sending(std::size_t cards) {
    std::vector<int> slow;
    for (std::size_t rank = 1; rank < peers_.size(); ++rank)
      if (peers_[rank].next < cards) slow.push_back(static_cast<int>(rank));
    throw Error(TUTTI_TIMEOUT, name_ranks(slow) + " did not take the other ranks' cards within " +
                                   in_ms(world_.start_timeout));
  }

  /// Runs `work`; whatever fails in it fails on every rank that has arrived.
  template <typename Work>
  void telling_all(Work work) {
    try {
      work();
    } catch (const Error& error) {
      tell_all(error);
      throw;
    }
  }

  void tell_all(const Error& error) {
    const Message message = error_message(error);
    const auto until = Clock::now() + kFarewell;
    for (Peer& peer : peers_) tell(peer, message, until);
  }

  static void tell(Peer& peer, const Message& message, Clock::time_point until) {
    while (peer.channel && peer.channel.send(message) == Sent::kFull && Clock::now() < until) {
      pollfd fd{.fd = peer.channel.fd(), .events = POLLOUT, .revents = 0};
      wait_for({&fd, 1}, until);
    }
    peer.channel = Channel();
  }

  static constexpr const char* kMeeting = "meeting";

  const World world_;
  std::vector<Peer> peers_;        // by rank; [0] is empty
  std::vector<Arrival> arrivals_;  // at the door, not yet let in or turned away
  std::string step_ = kMeeting;
};

}  // namespace

std::unique_ptr<Rendezvous> make_host(const World& world) { return std::make_unique<Host>(world); }

}  // namespace tutti

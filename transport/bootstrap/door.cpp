#include "transport/bootstrap/door.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "transport/system_error.h"

namespace tutti {
namespace {

constexpr std::size_t kMostGuests = 64;
constexpr auto kPatience = std::chrono::seconds(2);
constexpr int kBacklog = 4096;        // the kernel takes less where net.core.somaxconn is less
constexpr int kAcceptsPerRound = 64;  // so that a flood does not keep the silent from expiring

}  // namespace

std::optional<Door> Door::open(const std::string& address) {
  UniqueFd listener = open_socket();
  sockaddr_un place{};
  place.sun_family = AF_UNIX;
  const std::string name = socket_name(address);
  std::memcpy(place.sun_path, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&place), length) != 0) {
    if (errno == EADDRINUSE) return std::nullopt;
    throw system_error("rank 0: cannot bind the socket of '" + address + "'", errno);
  }
  if (listen(listener.get(), kBacklog) != 0)
    throw system_error("rank 0: cannot listen at '" + address + "'", errno);
  return Door(std::move(listener));
}

void Door::watch(std::vector<pollfd>& fds) const {
  fds.push_back({.fd = listener_.get(), .events = POLLIN, .revents = 0});
  for (const Guest& guest : guests_)
    fds.push_back({.fd = guest.channel.fd(), .events = POLLIN, .revents = 0});
}

Clock::time_point Door::next_expiry() const {
  return guests_.empty() ? Clock::time_point::max() : guests_.front().expiry;
}

std::vector<Arrival> Door::answer() {
  std::vector<Arrival> arrivals;
  listen_to_guests(0, arrivals);
  for (int i = 0; i < kAcceptsPerRound && let_in(); ++i)
    // Most have said hello before they are let in.
    listen_to_guests(guests_.empty() ? 0 : guests_.size() - 1, arrivals);
  const auto now = Clock::now();
  while (!guests_.empty() && guests_.front().expiry <= now) send_away_oldest();
  return arrivals;
}

bool Door::let_in() {
  UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) {
    if (errno == EAGAIN) return false;
    if (errno == EINTR || errno == ECONNABORTED) return true;
    if (guests_.empty()) throw system_error("rank 0: cannot accept a rank", errno);
    send_away_oldest();  // it may hold the descriptor that is missing
    return true;
  }
  Guest guest{.channel = Channel(std::move(socket)), .who = {}, .expiry = Clock::now() + kPatience};
  guest.who = guest.channel.peer();
  if (guest.who.uid != geteuid()) return true;
  if (guests_.size() == kMostGuests) send_away_oldest();
  guests_.push_back(std::move(guest));
  return true;
}

void Door::send_away_oldest() {
  guests_.front().channel.send({.kind = Kind::kBusy});
  guests_.erase(guests_.begin());
}

void Door::listen_to_guests(std::size_t index, std::vector<Arrival>& arrivals) {
  while (index < guests_.size()) {
    Guest& guest = guests_[index];
    Message hello;
    const Received received = guest.channel.receive(hello, false);
    if (received == Received::kNothing) {
      ++index;
      continue;
    }
    const bool foreign = hello.version != TUTTI_VERSION;
    if (received == Received::kMessage && (foreign || hello.kind == Kind::kHello))
      arrivals.push_back({std::move(guest.channel), guest.who, std::move(hello)});
    guests_.erase(guests_.begin() + static_cast<std::ptrdiff_t>(index));
  }
}

}  // namespace tutti

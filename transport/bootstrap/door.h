// The door of rank 0: it listens where the ranks of a world meet, and lets in who says hello.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "transport/bootstrap/channel.h"

namespace tutti {

/// Somebody of the same user who said hello; not yet known to be a rank of this world.
struct Arrival {
  Channel channel;
  Credentials who;
  Message hello;
};

/// Bounded whatever comes: strangers are shut out at once, the silent after 2 s, and when 64 are
/// silent the oldest must come again, so that they never keep a rank out.
class Door {
 public:
  /// Listens at the address's name; none if another process holds it. Throws TUTTI_SYSTEM,
  /// TUTTI_NO_MEMORY.
  static std::optional<Door> open(const std::string& address);

  /// Adds what to poll for.
  void watch(std::vector<pollfd>& fds) const;
  /// When to call answer() even if nothing happens.
  Clock::time_point next_expiry() const;

  /// Takes in everything that is there now. Does not block. Throws TUTTI_NO_MEMORY.
  std::vector<Arrival> answer();

 private:
  struct Guest {
    Channel channel;
    Credentials who;
    Clock::time_point expiry;
  };

  explicit Door(UniqueFd listener) : listener_(std::move(listener)) {}

  /// False if nobody waits outside.
  bool let_in();
  void send_away_oldest();
  /// Lets go of the guests from the index-th on who have said something: they arrived, or are shut
  /// out.
  void listen_to_guests(std::size_t index, std::vector<Arrival>& arrivals);

  UniqueFd listener_;
  std::vector<Guest> guests_;  // connected, have not said hello; the oldest first
};

}  // namespace tutti

// The two sides of a rendezvous: rank 0 is the host, every other rank a guest.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "transport/bootstrap/channel.h"
#include "transport/bootstrap/world.h"

namespace tutti {

std::unique_ptr<Rendezvous> make_host(const World& world);
std::unique_ptr<Rendezvous> make_guest(const World& world);

/// Says hello as `world.rank` at the world's address, where somebody must be listening by `until`;
/// returns the connection on which everybody's arrival was confirmed. Throws what the host says.
Channel join(const World& world, Clock::time_point until);

/// A rank's own card as it travels; throws TUTTI_INTERNAL if it is too large.
Message card_message(int rank, Card card);

/// "rank 3", "ranks 1, 4–7 and 9".
std::string name_ranks(const std::vector<int>& ranks);
/// "at 'address'", shortened where it is long.
std::string place_of(const World& world);
std::string in_ms(std::chrono::milliseconds time);
std::string name_version(std::int32_t version);

}  // namespace tutti

// Ranks of a transport for tests, as threads of this process or as processes.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tests/ranks.h"
#include "transport/bootstrap/world.h"
#include "transport/transport.h"

namespace tutti::test {

/// What became of a rank.
struct Ended {
  std::string error;  // what its body threw; empty if it returned
  tutti_status status = TUTTI_OK;
  int signal = 0;  // that killed its process
};

using WorldBody = std::function<void(const World& world)>;
using TransportBody = std::function<void(Transport& transport)>;

/// Runs `body` on each of `size` ranks of a fresh world. Processes are forked: call it without
/// other threads running.
std::vector<Ended> run_worlds(RankKind kind, int size, const WorldBody& body);

/// The same on a transport of `world`, which `adjust` may change before.
std::vector<Ended> run_transports(RankKind kind, int size, const TransportBody& body,
                                  const std::function<void(World&)>& adjust = {});

/// All errors, one line a rank; empty if all ranks ended well.
std::string errors_of(const std::vector<Ended>& ranks);

/// Polls `attempt` as an executor does, until it is true.
void await(Transport& transport, const std::function<bool()>& attempt);

/// Publishes a call and begins it.
void begin(Transport& transport, const CallRecord& call, std::chrono::milliseconds timeout);

/// One message in and out.
inline constexpr std::uint32_t kHash = 0xabcd1234;
void post(Transport& t, int peer, int lane, std::span<const Piece> pieces);
void drain(Transport& t, int peer, int lane);
enum class How { kView, kFetch };
std::vector<std::byte> receive(Transport& t, int peer, int lane, std::size_t bytes, How how);

/// `bytes` bytes that depend on `seed` and the place.
std::vector<std::byte> pattern(std::size_t bytes, unsigned seed);

/// Calls with a record of this sequence and count.
CallRecord some_call(std::uint64_t sequence, std::uint64_t count);

}  // namespace tutti::test

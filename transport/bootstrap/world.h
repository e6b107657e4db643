// Who takes part: this rank's place in the world, and the first exchange between its ranks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "transport/unique_fd.h"

namespace tutti {

struct Environment;

/// Ranks of one host. Each holds a descriptor and a mapping of every other, so that the cost grows
/// with the square: a million descriptors at this limit.
inline constexpr int kMaxHostRanks = 1024;

/// Whether ranks read each other's long messages by process_vm_readv, where the system lets them;
/// else these are staged in shared memory. Where cores are shared it spares the ranks taking turns
/// while a message passes. What one rank forbids, or else asks for, holds for all.
enum class CrossMemory : std::uint8_t { kWhereCoresAreShared, kAlways, kNever };
constexpr bool reads_across(CrossMemory wish, bool cores_are_shared) {
  return wish == CrossMemory::kAlways ||
         (wish == CrossMemory::kWhereCoresAreShared && cores_are_shared);
}

/// Longer timeouts are cut to this one, a year: more milliseconds than that do not fit a clock.
inline constexpr std::int64_t kLongestTimeoutMs = std::int64_t{1000} * 3600 * 24 * 365;

/// A rank's place. Made by resolve_world() from the caller's config and the environment.
struct World {
  int rank = 0;
  int size = 1;
  std::string address;   // ranks with the same address meet; empty for a world of one
  std::string launcher;  // which source won: "config", "TUTTI_*", "torchrun", "alone"
  std::chrono::milliseconds start_timeout{60'000};
  std::chrono::milliseconds call_timeout{1'800'000};
  std::chrono::milliseconds stall_report{30'000};  // how often a call that waits says for whom
  CrossMemory cross_memory = CrossMemory::kWhereCoresAreShared;
  bool warnings = true;  // on stderr; false where TUTTI_LOG is off
};

/// What a rank tells all others at the start.
struct Card {
  std::vector<std::byte> blob;  // at most 4096 bytes
  std::vector<UniqueFd> fds;    // at most 4
};

/// The ranks of a world on one host meet at an abstract Unix socket of rank 0's. Only processes of
/// the same user get in (SO_PEERCRED); silent, slow or malformed connections are dropped after 2 s
/// and never stop the others.
class Rendezvous {
 public:
  virtual ~Rendezvous() = default;

  /// Gives `mine` to all and returns everybody's cards, by rank; one's own is `mine` itself. The
  /// cards of other ranks of this process come without descriptors. Collective, once. Waits for
  /// world.start_timeout at most, and as long again for a rank 0 that came later. Throws as meet(),
  /// on every rank with the same text.
  virtual std::vector<Card> exchange(Card mine) = 0;

  /// The process of a rank as the kernel knows it (SO_PEERCRED seen by rank 0); valid after
  /// exchange().
  virtual int pid_of(int rank) const = 0;

  /// Returns when every rank has called it. Collective; any number of times. Waits and throws as
  /// exchange().
  virtual void barrier() = 0;
};

/// Connects all ranks. Throws TUTTI_TIMEOUT (naming the missing ranks), TUTTI_INVALID (two
/// processes claim one rank, sizes or versions differ), TUTTI_PEER_FAILED (naming a rank that
/// died), TUTTI_NO_MEMORY (out of descriptors), TUTTI_SYSTEM: with the same text on every rank that
/// has arrived. For a world of one nothing is opened. Where the soft limit of descriptors is too
/// low for the world, it is raised.
std::unique_ptr<Rendezvous> meet(const World& world);

}  // namespace tutti

// How the ranks of a host come to share their memory.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "transport/bootstrap/world.h"
#include "transport/shm/control.h"
#include "transport/shm/segment.h"

namespace tutti {

/// What a rank holds when all have met.
struct Joined {
  // Shared: ranks that are threads of one process use one mapping, whoever of them leaves first.
  std::shared_ptr<OwnSegment> own;
  std::shared_ptr<Control> control;
  std::vector<std::unique_ptr<PeerSegment>> peers;  // by rank; own: null
  std::vector<int> pids;                            // by rank
  std::vector<bool> same_process;                   // by rank
  int cpus = 1;                                     // that all ranks together may use
  bool membarrier = true;                           // every rank can use it
  bool cross_memory = false;  // ranks are to read each other's memory, where the system lets them

  bool oversubscribed() const { return peers.size() > static_cast<std::size_t>(cpus); }
};

/// The steps of a start, in this order. Collective. A world of one needs no rendezvous (null).
class Start {
 public:
  Start(const World& world, Rendezvous* rendezvous);
  ~Start();
  Start(const Start&) = delete;
  Start& operator=(const Start&) = delete;

  /// Makes this rank's segment and maps the others'.
  const Joined& meet();
  /// Returns when all ranks have got here: what they have said in their segments holds from now on.
  Joined finish();

 private:
  void exchange();
  Card make_card();
  void meet_peer(int peer, Card card);
  void probe(int peer, std::uint64_t address, std::uint64_t value);

  const World& world_;
  Rendezvous* const rendezvous_;
  const std::uint64_t id_;  // random: by it ranks of one process, and readable memory, are known
  Joined joined_;
};

}  // namespace tutti

// Messages between two ranks: matched by their order in each direction of a pair.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "collectives/request.h"
#include "transport/transport.h"

namespace tutti {

/// Sends and receives on a channel of its own. Used as InFlight, whose part it is.
class Transfers {
 public:
  /// `complete` is told of every part that is done.
  Transfers(std::unique_ptr<Transport> transport, std::function<void(Part&)> complete);

  Transport& transport() { return *transport_; }

  void start(Part& part);
  /// True if anything moved.
  bool advance();
  bool active() const { return active_ > 0; }
  /// Forgets all parts in flight, and tells `end` of each. Allocates nothing.
  template <typename End>
  void give_up(End end) {
    for (Queues& queues : queues_) {
      for (Part* part : queues.outgoing) end(*part);
      for (const Posted& posted : queues.posted) end(*posted.part);
      for (Part* part : queues.incoming) end(*part);
      queues.outgoing.clear();
      queues.posted.clear();
      queues.incoming.clear();
    }
    busy_.clear();
    active_ = 0;
  }

 private:
  struct Posted {
    Part* part = nullptr;
    std::uint64_t number = 0;  // of the messages to that peer
  };
  /// One peer, or oneself.
  struct Queues {
    std::deque<Part*> outgoing;  // not posted yet
    std::deque<Posted> posted;
    std::deque<Part*> incoming;
    std::uint64_t posts = 0;
  };

  bool advance(int peer);
  bool advance_self();
  bool post(Queues& queues, Endpoint& endpoint);
  bool drain(Queues& queues, Endpoint& endpoint);
  bool receive(Queues& queues, Endpoint& endpoint);
  void done(Part& part);

  const std::unique_ptr<Transport> transport_;
  const std::function<void(Part&)> complete_;
  std::vector<Queues> queues_;  // by peer
  std::vector<int> busy_;       // peers whose queues are not empty
  std::size_t active_ = 0;
};

}  // namespace tutti

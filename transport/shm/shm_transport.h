// Ranks of one host, through shared memory: the pieces put together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "transport/bootstrap/world.h"
#include "transport/shm/endpoint.h"
#include "transport/shm/life.h"
#include "transport/shm/start.h"
#include "transport/shm/waiting.h"
#include "transport/transport.h"

namespace tutti {

class ShmTransport final : public Transport {
 public:
  /// `life` is null in a world of one.
  ShmTransport(const World& world, Joined joined, std::unique_ptr<LifeThread> life);
  ~ShmTransport() override;

  const Caps& caps() const override { return caps_; }
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  Endpoint& endpoint(int rank) override { return *endpoints_[static_cast<std::size_t>(rank)]; }
  std::span<std::byte> scratch() override { return own().scratch(); }
  void* allocate(std::size_t bytes) override { return own().allocate(bytes); }
  std::optional<std::size_t> registered(const void* pointer) const override {
    return joined_.own->registered(static_cast<const std::byte*>(pointer));
  }
  void deallocate(void* pointer) override { own().deallocate(pointer); }
  void begin(const CallRecord& call, std::chrono::milliseconds timeout) override;
  bool progress() override { return counts_.pending != 0 && push_all(); }
  void idle() override {
    ++counts_.idles;
    if (waiter_.pause()) look();
  }
  void busy() override { waiter_.reset(); }
  void abandon(const Error& cause) noexcept override;

 private:
  OwnSegment& own() { return *joined_.own; }
  PeerLink link_to(int peer);
  /// Whether neither of two ranks may rely on reading the other's memory.
  bool copied_between(int a, int b) const;
  void share_transit(PeerLink& link);
  void warn_of_copies() const;
  bool push_all();
  void look();
  void look_for_leavers();
  void look_at_clock(Clock::time_point now);
  [[noreturn]] void time_out();
  void report_stall(Clock::time_point now) const;
  std::string latest_rank() const;
  void await_readers();
  void await_drains();
  void unclaim_all();

  // Fixed after construction.
  const int rank_, size_, pid_;
  const bool warnings_;
  const std::chrono::milliseconds report_every_;
  const Caps caps_;
  Joined joined_;
  FaultBoard faults_;
  SharedCounts counts_;
  std::vector<std::unique_ptr<ShmEndpoint>> endpoints_;  // by rank; own: null

  // Waiting.
  Waiter waiter_;
  PeerWatch watch_;
  std::chrono::milliseconds timeout_{0};
  bool clock_runs_ = false;  // since waiting_since_, in this call
  Clock::time_point waiting_since_{}, next_report_{};
  int leaver_ = -1;                // a rank that left while we waited for it
  std::uint64_t leaver_seen_ = 0;  // when we saw that, in counts_.idles

  std::unique_ptr<LifeThread> life_;  // last: it ends first
};

/// make_shm_transport() with a rendezvous of one's own; null in a world of one. Collective.
std::unique_ptr<Transport> start_shm_transport(const World& world, Rendezvous* rendezvous);

}  // namespace tutti

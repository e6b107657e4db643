// Ranks of one host, through shared memory: the pieces put together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "transport/bootstrap/world.h"
#include "transport/shm/endpoint.h"
#include "transport/shm/shm_rank.h"
#include "transport/shm/waiting.h"
#include "transport/transport.h"

namespace tutti {

/// One channel among the members of a set.
class ShmTransport final : public Transport {
 public:
  ShmTransport(std::shared_ptr<ShmRank> self, std::shared_ptr<const ChannelSet> set, int number,
               bool apart);
  ~ShmTransport() override;

  const Caps& caps() const override { return caps_; }
  int rank() const override { return set_->self(); }
  int size() const override { return set_->size(); }
  int world_rank(int rank) const override { return set_->world_rank(rank); }
  std::unique_ptr<Transport> channel(int number, bool apart) override;
  ChannelOffer offer(int size) override { return self_->sets.offer(size); }
  std::unique_ptr<Transport> open(std::span<const int> ranks,
                                  std::span<const ChannelOffer> offers) override;
  void withdraw(const ChannelOffer& offer) override { self_->sets.withdraw(offer); }
  Endpoint& endpoint(int rank) override { return *endpoints_[static_cast<std::size_t>(rank)]; }
  std::span<std::byte> scratch() override { return memory_.scratch(); }
  void* allocate(std::size_t bytes) override { return own().allocate(bytes); }
  std::optional<std::size_t> registered(const void* pointer) const override {
    return self_->joined.own->registered(static_cast<const std::byte*>(pointer));
  }
  void deallocate(void* pointer) override { own().deallocate(pointer); }
  void publish(const CallRecord& call) override;
  void begin(const CallRecord& call, std::chrono::milliseconds timeout) override;
  bool progress() override { return counts_.pending != 0 && push_all(); }
  void idle() override {
    ++counts_.idles;
    if (waiter_.pause()) look();
  }
  void busy() override { waiter_.reset(); }
  bool pause() override { return waiter_.pause(); }
  void look_around() override {
    ++counts_.idles;
    look();
  }
  std::unique_ptr<Pauser> pauser() override;
  std::optional<Error> fault() override;
  void abandon(const Error& cause) noexcept override;

  /// Tells the user where ranks of this world cannot read each other's memory.
  void warn_of_copies() const;

 private:
  OwnSegment& own() const { return *self_->joined.own; }
  Waiter make_waiter(bool gives_way) const;
  /// Where the calls of this channel are published.
  int board_channel() const { return apart_ ? number_ : 0; }
  PeerLink link_to(int member);
  /// Whether neither of two ranks of the world may rely on reading the other's memory.
  bool copied_between(int a, int b) const;
  void share_transit(PeerLink& link, int member);
  bool push_all();
  void look();
  void look_for_leavers();
  void compare_calls();
  void compare_all_calls();
  void look_at_clock(Clock::time_point now);
  [[noreturn]] void time_out();
  void report_stall(Clock::time_point now) const;
  std::string latest_rank() const;
  void await_readers();
  void await_drains();
  void unclaim_all();

  // Fixed after construction.
  const std::shared_ptr<ShmRank> self_;
  const std::shared_ptr<const ChannelSet> set_;
  const int number_;
  const bool apart_;
  const ChannelMemory<std::byte> memory_;
  CallBoard& board_;
  const Caps caps_;
  std::vector<std::unique_ptr<ShmEndpoint>> endpoints_;  // by rank; own: null

  // The call under way.
  std::uint64_t call_ = 0;  // its number; 0: none yet
  std::uint32_t hash_ = 0;
  std::chrono::milliseconds timeout_;
  bool clock_runs_ = false;  // since waiting_since_, in this call
  Clock::time_point waiting_since_{}, next_report_{};

  FaultBoard faults_;
  SharedCounts counts_;

  // Waiting.
  Waiter waiter_;
  PeerWatch watch_;
  int leaver_ = -1;                // a rank that left while we waited for it
  std::uint64_t leaver_seen_ = 0;  // when we saw that, in counts_.idles
};

/// make_shm_transport() with a rendezvous of one's own; null in a world of one. Collective.
std::unique_ptr<Transport> start_shm_transport(const World& world, Rendezvous* rendezvous);

}  // namespace tutti

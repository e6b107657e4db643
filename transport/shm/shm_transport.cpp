#include "transport/shm/shm_transport.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>
#include <utility>

#include "transport/shm/call_board.h"

namespace tutti {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kQuiesceLimit{2};

constexpr int kPolls = 64;

Caps caps_of(int size, int cpus, bool cross_memory) {
  const std::size_t part = transit_part(size);
  Caps caps{.inline_bytes = kInlineBytes,
            .staged_bytes = static_cast<std::size_t>(-1),
            .streamed_bytes = kStreamedBytes,
            .view_bytes = kClaimBytes,
            .window = kWindow,
            .scratch_bytes = kScratchBytes,
            .cpus = cpus};
  if (cross_memory && part > 0) caps.staged_bytes = std::min(kStagedBytes, part / 2);
  return caps;
}

}  // namespace

ShmTransport::ShmTransport(std::shared_ptr<ShmRank> self, std::shared_ptr<const ChannelSet> set,
                           int number, bool apart)
    : self_(std::move(self)),
      set_(std::move(set)),
      number_(number),
      apart_(apart),
      memory_(set_->own(number)),
      board_(set_->own(board_channel()).board()),
      caps_(caps_of(set_->size(), self_->joined.cpus, self_->joined.cross_memory)),
      endpoints_(static_cast<std::size_t>(set_->size())),
      timeout_(self_->call_timeout),
      faults_(self_->rank, *self_->joined.control, own(), self_->joined.peers, self_->fault_report,
              board_, call_),
      waiter_(make_waiter(self_->joined.oversubscribed())),
      watch_(*self_->joined.control, self_->rank, self_->joined.pids) {
  for (int member = 0; member < size(); ++member)
    if (member != rank())
      endpoints_[static_cast<std::size_t>(member)] =
          std::make_unique<ShmEndpoint>(counts_, link_to(member));
}

Waiter ShmTransport::make_waiter(bool gives_way) const {
  const Joined& joined = self_->joined;
  return {joined.control->of(self_->rank), self_->waiters.fetch_add(1), wait_tuning(gives_way),
          joined.membarrier};
}

std::unique_ptr<Pauser> ShmTransport::pauser() {
  class ShmPauser final : public Pauser {
   public:
    ShmPauser(std::shared_ptr<ShmRank> self, const Waiter& waiter)
        : self_(std::move(self)), waiter_(waiter) {}
    bool pause() override { return waiter_.pause(); }
    void reset() override { waiter_.reset(); }

   private:
    const std::shared_ptr<ShmRank> self_;  // owns what the waiter looks at
    Waiter waiter_;
  };
  return std::make_unique<ShmPauser>(self_, make_waiter(true));
}

std::unique_ptr<Transport> ShmTransport::channel(int number, bool apart) {
  return std::make_unique<ShmTransport>(self_, set_, number, apart);
}

std::unique_ptr<Transport> ShmTransport::open(std::span<const int> ranks,
                                              std::span<const ChannelOffer> offers) {
  std::vector<int> in_world;
  for (const int rank : ranks) in_world.push_back(world_rank(rank));
  return std::make_unique<ShmTransport>(self_, self_->sets.open(in_world, offers), 0, false);
}

PeerLink ShmTransport::link_to(int member) {
  Joined& joined = self_->joined;
  const int peer = world_rank(member);
  const auto index = static_cast<std::size_t>(peer);
  PeerLink link;
  link.rank = peer;
  link.pid = joined.pids[index];
  link.same_process = joined.same_process[index];
  link.membarrier = joined.membarrier;
  link.fences_posts = !joined.membarrier && joined.oversubscribed();
  link.polls = joined.oversubscribed() ? 0 : kPolls;
  link.mine = &memory_.edge(member);
  link.theirs = &set_->of(member, number_).edge(rank());
  link.control = &joined.control->of(peer);
  link.own = &own();
  link.segment = joined.peers[index].get();
  link.own_calls = &board_;
  link.peers_calls = &set_->of(member, board_channel()).board();
  link.same_order = !apart_;
  link.faults = &faults_;
  share_transit(link, member);
  return link;
}

bool ShmTransport::copied_between(int a, int b) const {
  const auto reads = [this](int reader, int owner) {
    const auto index = static_cast<std::size_t>(reader);
    const SegmentHeader& header =
        reader == self_->rank ? own().header() : self_->joined.peers[index]->header();
    return header.can_read[owner].load(std::memory_order_acquire) != 0;  // as in share_transit()
  };
  const std::vector<int>& pids = self_->joined.pids;
  const auto pid_of = [&](int rank) { return pids[static_cast<std::size_t>(rank)]; };
  return pid_of(a) != pid_of(b) && !(reads(a, b) && reads(b, a));
}

/// Divides the peer's part of the transit area between messages to it and from it. Both sides must
/// come to the same: who reads by system calls needs a place where the bytes land, and of very many
/// ranks none has one.
void ShmTransport::share_transit(PeerLink& link, int member) {
  if (link.same_process) return;
  const std::size_t part = transit_part(size());
  const bool cross_memory = self_->joined.cross_memory && part > 0;
  const auto index = static_cast<std::size_t>(member - (member > rank() ? 1 : 0));
  const std::span<std::byte> all = memory_.transit().subspan(index * part, part);
  const bool we_read_it = own().header().can_read[link.rank].load(std::memory_order_relaxed) != 0;
  link.landing = all.first(cross_memory && we_read_it ? part / 2 : 0);
  link.stage = all.subspan(link.landing.size());
  // acquire: partner is Start::probe(), before the barrier
  const bool it_reads_us =
      link.segment->header().can_read[self_->rank].load(std::memory_order_acquire) != 0;
  if (cross_memory && it_reads_us) link.cross_from = caps_.staged_bytes;
}

/// Once per world: the lowest rank that is concerned says it.
void ShmTransport::warn_of_copies() const {
  const auto concerned = [this](int a) {
    for (int b = a + 1; b < size(); ++b)
      if (copied_between(a, b)) return b;
    return size();
  };
  const int peer = concerned(rank());
  if (peer == size()) return;
  for (int lower = 0; lower < rank(); ++lower)
    if (concerned(lower) < size()) return;
  std::fprintf(stderr,
               "tutti: rank %d: this system does not let rank %d and this one read each other's "
               "memory (process_vm_readv): long messages are copied twice, except from memory of "
               "tutti_alloc()\n",
               rank(), peer);
}

void ShmTransport::publish(const CallRecord& call) { publish_call(board_, call); }

void ShmTransport::begin(const CallRecord& call, milliseconds timeout) {
  call_ = call.sequence;
  hash_ = call.hash;
  timeout_ = timeout;
  clock_runs_ = false;
  waiter_.reset();
  if (faults_.poisoned()) [[unlikely]]
    faults_.raise();
}

bool ShmTransport::push_all() {
  bool moved = false;
  for (const auto& endpoint : endpoints_)
    if (endpoint) moved |= endpoint->push();
  return moved;
}

void ShmTransport::look() {
  try {
    if (faults_.poisoned()) faults_.raise();
    const auto now = Clock::now();
    watch_.look(now, faults_);
    compare_calls();
    look_for_leavers();
    look_at_clock(now);
  } catch (const Error&) {
    unclaim_all();  // nobody needs to wait for what this rank was about to read
    throw;
  }
}

/// All ranks make the same calls in the same order. One that has made another call may have left it
/// already, or may wait for messages that nobody sends.
void ShmTransport::compare_calls() {
  if (apart_) return;  // there each rank has an order of its own
  for (const auto& endpoint : endpoints_) {
    if (!endpoint) continue;
    const PeerLink& link = endpoint->link();
    const auto theirs = call_number(*link.peers_calls, call_);
    if (!theirs || theirs->hash == hash_) continue;
    const std::string first = first_difference(self_->rank, board_, link.rank, *link.peers_calls);
    const RanksCall ours{self_->rank, call_number(board_, call_)};
    faults_.fail(TUTTI_MISMATCH, first.empty() ? difference(ours, {link.rank, theirs}) : first);
  }
}

void ShmTransport::compare_all_calls() {
  for (const auto& endpoint : endpoints_) {
    if (!endpoint || faults_.poisoned()) continue;
    const PeerLink& link = endpoint->link();
    const std::string first = first_difference(self_->rank, board_, link.rank, *link.peers_calls);
    if (!first.empty()) faults_.report(TUTTI_MISMATCH, first);
  }
}

/// A rank that has left will not send any more. Its last messages may have come after our last poll
/// and before we saw it leave, so the verdict needs one more poll.
void ShmTransport::look_for_leavers() {
  for (const auto& endpoint : endpoints_) {
    if (!endpoint || !endpoint->awaited() || !watch_.left(endpoint->link().rank)) continue;
    if (leaver_ == endpoint->link().rank && endpoint->missed_at() >= leaver_seen_)
      faults_.fail(TUTTI_PEER_FAILED, endpoint->link().name() + " left the world");
    leaver_ = endpoint->link().rank;
    leaver_seen_ = counts_.idles;
    return;
  }
}

void ShmTransport::look_at_clock(Clock::time_point now) {
  if (!clock_runs_) {
    clock_runs_ = true;
    waiting_since_ = now;
    next_report_ = now + self_->report_every;
  }
  if (now - waiting_since_ >= timeout_) time_out();
  if (now < next_report_) return;
  next_report_ += self_->report_every;
  if (self_->warnings) report_stall(now);
}

/// The rank that has begun the fewest calls, and among these one that we wait for.
std::string ShmTransport::latest_rank() const {
  const ShmEndpoint* latest = nullptr;
  for (const auto& endpoint : endpoints_) {
    if (!endpoint) continue;
    const auto key = [](const ShmEndpoint& e) {
      return std::pair(calls_begun(*e.link().peers_calls), !e.awaited());
    };
    if (latest == nullptr || key(*endpoint) < key(*latest)) latest = endpoint.get();
  }
  if (latest == nullptr) return "there is no other rank";
  const auto call = last_call(*latest->link().peers_calls);
  return "the latest is " + latest->link().name() +
         (call ? ", whose last call is " + describe(*call) : ", which has made no call yet");
}

void ShmTransport::time_out() {
  faults_.fail(TUTTI_TIMEOUT,
               "not complete after " + std::to_string(timeout_.count()) + " ms; " + latest_rank());
}

void ShmTransport::report_stall(Clock::time_point now) const {
  const auto call = call_number(board_, call_);
  const auto waited = duration_cast<std::chrono::seconds>(now - waiting_since_);
  std::fprintf(stderr, "tutti: rank %d: %s: waiting for %lld s; %s\n", self_->rank,
               call ? describe(*call).c_str() : "no call", static_cast<long long>(waited.count()),
               latest_rank().c_str());
}

void ShmTransport::abandon(const Error& cause) noexcept {
  unclaim_all();
  faults_.report(cause.status(), cause.what());
  await_readers();
}

/// Waits until no peer reads this rank's memory. The fault is there, so that none begins to.
void ShmTransport::await_readers() {
  heavy_fence(self_->joined.membarrier);  // partner: Inbox::claim()
  const auto reading = [this](const std::unique_ptr<ShmEndpoint>& endpoint) {
    if (!endpoint || !endpoint->claimed()) return false;
    return !watch_.dead(endpoint->link().rank) && !watch_.left(endpoint->link().rank);
  };
  const auto limit = Clock::now() + kQuiesceLimit;
  while (std::any_of(endpoints_.begin(), endpoints_.end(), reading) && Clock::now() < limit)
    std::this_thread::sleep_for(std::chrono::microseconds(50));
}

/// Nothing posted is lost: what is inline or staged can be read after this rank has left, so only
/// what is not announced yet, or lies in this rank's own memory, holds it up.
void ShmTransport::await_drains() {
  const auto limit = Clock::now() + kQuiesceLimit;
  const auto busy = [this](const std::unique_ptr<ShmEndpoint>& endpoint) {
    if (!endpoint || endpoint->all_drained()) return false;
    return !watch_.dead(endpoint->link().rank) && !watch_.left(endpoint->link().rank);
  };
  while (!faults_.poisoned() && std::any_of(endpoints_.begin(), endpoints_.end(), busy) &&
         Clock::now() < limit) {
    if (!progress()) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

void ShmTransport::unclaim_all() {
  for (const auto& endpoint : endpoints_)
    if (endpoint) endpoint->unclaim();
}

std::optional<Error> ShmTransport::fault() {
  compare_all_calls();
  return faults_.poisoned() ? std::optional(faults_.error()) : std::nullopt;
}

ShmTransport::~ShmTransport() {
  if (getpid() != self_->pid) return;  // a forked child: the world is its parent's
  unclaim_all();
  try {
    await_drains();
  } catch (const std::exception&) {
    // A peer's receipts are damaged, or there is no memory to say so: nobody waits for this rank.
  }
}

Caps shm_caps(int size, int cpus, CrossMemory cross_memory) {
  return caps_of(size, cpus, reads_across(cross_memory, size > cpus));
}

std::unique_ptr<Transport> start_shm_transport(const World& world, Rendezvous* rendezvous) {
  if (world.size > kMaxShmRanks)
    throw Error(TUTTI_UNSUPPORTED, "a world of " + std::to_string(world.size) +
                                       " ranks on one host; at most " +
                                       std::to_string(kMaxShmRanks) + " are possible");
  Start start(world, rendezvous);
  const Joined& met = start.meet();
  std::unique_ptr<LifeThread> life;
  if (world.size > 1)
    life = std::make_unique<LifeThread>(met.control->header(), met.control->of(world.rank));
  const auto self = std::make_shared<ShmRank>(world, start.finish(), std::move(life));
  const Joined& joined = self->joined;
  auto set = std::make_shared<const ChannelSet>(world.rank, *joined.own, joined.peers);
  auto transport = std::make_unique<ShmTransport>(self, std::move(set), 0, false);
  if (joined.cross_memory && world.warnings) transport->warn_of_copies();
  return transport;
}

std::unique_ptr<Transport> make_shm_transport(const World& world) {
  if (world.size == 1) return start_shm_transport(world, nullptr);
  const auto rendezvous = meet(world);
  return start_shm_transport(world, rendezvous.get());
}

}  // namespace tutti

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

ShmTransport::ShmTransport(const World& world, Joined joined, std::unique_ptr<LifeThread> life)
    : rank_(world.rank),
      size_(world.size),
      pid_(getpid()),
      warnings_(world.warnings),
      report_every_(world.stall_report),
      caps_(caps_of(world.size, joined.cpus, joined.cross_memory)),
      joined_(std::move(joined)),
      faults_(rank_, *joined_.control, *joined_.own, joined_.peers),
      waiter_(joined_.control->of(rank_), wait_tuning(joined_.oversubscribed()),
              joined_.membarrier),
      watch_(*joined_.control, rank_, joined_.pids),
      timeout_(world.call_timeout),
      life_(std::move(life)) {
  endpoints_.resize(static_cast<std::size_t>(size_));
  for (int peer = 0; peer < size_; ++peer)
    if (peer != rank_)
      endpoints_[static_cast<std::size_t>(peer)] =
          std::make_unique<ShmEndpoint>(counts_, link_to(peer));
  if (joined_.cross_memory && world.warnings) warn_of_copies();
}

PeerLink ShmTransport::link_to(int peer) {
  const auto index = static_cast<std::size_t>(peer);
  PeerSegment& segment = *joined_.peers[index];
  PeerLink link;
  link.rank = peer;
  link.pid = joined_.pids[index];
  link.same_process = joined_.same_process[index];
  link.membarrier = joined_.membarrier;
  link.fences_posts = !joined_.membarrier && joined_.oversubscribed();
  link.polls = joined_.oversubscribed() ? 0 : kPolls;
  link.mine = &own().edge(peer);
  link.theirs = &segment.edge(rank_);
  link.control = &joined_.control->of(peer);
  link.own = &own();
  link.segment = &segment;
  link.faults = &faults_;
  share_transit(link);
  return link;
}

bool ShmTransport::copied_between(int a, int b) const {
  const auto reads = [this](int reader, int owner) {
    const auto index = static_cast<std::size_t>(reader);
    const SegmentHeader& header =
        reader == rank_ ? joined_.own->header() : joined_.peers[index]->header();
    return header.can_read[owner].load(std::memory_order_acquire) != 0;  // as in share_transit()
  };
  const auto pid_of = [this](int rank) { return joined_.pids[static_cast<std::size_t>(rank)]; };
  return pid_of(a) != pid_of(b) && !(reads(a, b) && reads(b, a));
}

/// Divides the peer's part of the transit area between messages to it and from it. Both sides must
/// come to the same: who reads by system calls needs a place where the bytes land, and of very many
/// ranks none has one.
void ShmTransport::share_transit(PeerLink& link) {
  if (link.same_process) return;
  const std::size_t part = transit_part(size_);
  const bool cross_memory = joined_.cross_memory && part > 0;
  const auto index = static_cast<std::size_t>(link.rank - (link.rank > rank_ ? 1 : 0));
  const std::span<std::byte> all = own().transit().subspan(index * part, part);
  const bool we_read_it = own().header().can_read[link.rank].load(std::memory_order_relaxed) != 0;
  link.landing = all.first(cross_memory && we_read_it ? part / 2 : 0);
  link.stage = all.subspan(link.landing.size());
  // acquire: partner is Start::probe(), before the barrier
  const bool it_reads_us =
      link.segment->header().can_read[rank_].load(std::memory_order_acquire) != 0;
  if (cross_memory && it_reads_us) link.cross_from = caps_.staged_bytes;
}

/// Once per world: the lowest rank that is concerned says it.
void ShmTransport::warn_of_copies() const {
  const auto concerned = [this](int a) {
    for (int b = a + 1; b < size_; ++b)
      if (copied_between(a, b)) return b;
    return size_;
  };
  const int peer = concerned(rank_);
  if (peer == size_) return;
  for (int lower = 0; lower < rank_; ++lower)
    if (concerned(lower) < size_) return;
  std::fprintf(stderr,
               "tutti: rank %d: this system does not let rank %d and this one read each other's "
               "memory (process_vm_readv): long messages are copied twice, except from memory of "
               "tutti_alloc()\n",
               rank_, peer);
}

void ShmTransport::begin(const CallRecord& call, milliseconds timeout) {
  publish_call(own().header(), call);
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
    look_for_leavers();
    look_at_clock(now);
  } catch (const Error&) {
    unclaim_all();  // nobody needs to wait for what this rank was about to read
    throw;
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
    next_report_ = now + report_every_;
  }
  if (now - waiting_since_ >= timeout_) time_out();
  if (now < next_report_) return;
  next_report_ += report_every_;
  if (warnings_) report_stall(now);
}

/// The rank that has begun the fewest calls, and among these one that we wait for.
std::string ShmTransport::latest_rank() const {
  const ShmEndpoint* latest = nullptr;
  for (const auto& endpoint : endpoints_) {
    if (!endpoint) continue;
    const auto key = [](const ShmEndpoint& e) {
      return std::pair(calls_begun(e.link().segment->header()), !e.awaited());
    };
    if (latest == nullptr || key(*endpoint) < key(*latest)) latest = endpoint.get();
  }
  if (latest == nullptr) return "there is no other rank";
  const auto call = last_call(latest->link().segment->header());
  return "the latest is " + latest->link().name() +
         (call ? ", whose last call is " + describe(*call) : ", which has made no call yet");
}

void ShmTransport::time_out() {
  faults_.fail(TUTTI_TIMEOUT,
               "not complete after " + std::to_string(timeout_.count()) + " ms; " + latest_rank());
}

void ShmTransport::report_stall(Clock::time_point now) const {
  const auto call = last_call(joined_.own->header());
  const auto waited = duration_cast<std::chrono::seconds>(now - waiting_since_);
  std::fprintf(stderr, "tutti: rank %d: %s: waiting for %lld s; %s\n", rank_,
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
  heavy_fence(joined_.membarrier);  // partner: Inbox::claim()
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

ShmTransport::~ShmTransport() {
  if (getpid() != pid_) {
    // A forked child: the life thread and the world are its parent's.
    static_cast<void>(life_.release());
    return;
  }
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
  return std::make_unique<ShmTransport>(world, start.finish(), std::move(life));
}

std::unique_ptr<Transport> make_shm_transport(const World& world) {
  if (world.size == 1) return start_shm_transport(world, nullptr);
  const auto rendezvous = meet(world);
  return start_shm_transport(world, rendezvous.get());
}

}  // namespace tutti

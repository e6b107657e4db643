// The contract between plans and the wire: ordered messages per (peer, lane), announced by the
// sender and pulled by the receiver.
//
// One thread at a time uses a transport and its endpoints. Nothing here blocks, except where it
// says so; whoever waits calls idle() between tries. Failures throw Error; after one, only
// abandon() and the destructor may be called.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "kernels/error.h"
#include "kernels/reduce.h"
#include "transport/bootstrap/world.h"

namespace tutti {

/// The lanes of an endpoint are 0 … kLanes-1: what is in one does not wait for what is in another.
inline constexpr int kLanes = 4;

/// Channels between the same ranks are independent of each other: each has lanes and scratch of its
/// own, may be used by a thread of its own, and costs memory when it is first used.
inline constexpr int kChannels = 6;

/// What a transport can do. Constant after construction, the same on all ranks.
struct Caps {
  std::size_t inline_bytes = 0;    // messages up to here travel with their announcement
  std::size_t staged_bytes = 0;    // up to here they are copied into shared memory; longer ones, or
                                   // those in registered memory, are read where they lie
  std::size_t streamed_bytes = 0;  // from here on they are copied with stores past the cache, where
                                   // the peer's core is far
  std::size_t view_bytes = 0;      // longest view
  std::uint32_t window = 1;        // W: posts that an (edge, lane) holds
  std::size_t scratch_bytes = 0;   // size of scratch()
  int cpus = 1;                    // that all ranks together may use
};

/// One contiguous part of a message.
struct Piece {
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
};

/// Readable bytes of an incoming message. `there` is false while nothing has arrived; an empty
/// message is there with 0 bytes.
struct View {
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  bool there = false;
};

/// Where a rank has made room for channels among a further set of ranks.
struct ChannelOffer {
  std::uint64_t slot = 0, closed = 0, offset = 0;  // means something to the transport only
};

/// What a rank is doing, for peers that compare it and must name it in an error. `hash` is the low
/// half of every announcement and covers all other fields.
struct CallRecord {
  std::uint64_t sequence = 0;  // calls on this communicator, from 1
  std::uint64_t count = 0;
  std::uint64_t op = 0;          // a tutti_op, pre-scaled ones by creation index; 0: none
  std::int32_t collective = -1;  // a tutti_collective, or one of the two ends of a message
  std::int32_t dtype = -1;
  std::int32_t root = -1;       // of a message: the other end, a rank of the world
  std::uint32_t algorithm = 0;  // its row in the table (high half) and its shards: one per variant
  std::uint32_t hash = 0;
  bool reproducible = false;
};

/// "all_reduce #41 (sum, f32, count 1024)".
std::string describe(const CallRecord& call);

/// One peer. Lanes 0 … 3 are independent channels in both directions.
class Endpoint {
 public:
  virtual ~Endpoint() = default;

  /// Announces a message made of `pieces` on `lane`. Returns at once; the bytes must not change
  /// until drained. False, with nothing done: the window is full, or an earlier message of this
  /// lane has pieces left to announce; try again later.
  virtual bool post(int lane, std::uint32_t call_hash, std::span<const Piece> pieces) = 0;

  /// Whether the bytes of all messages on `lane` but the newest `lag` may change again: the peer
  /// has read them, or they were copied when they were announced.
  virtual bool drained(int lane, std::uint32_t lag) = 0;

  /// The next unread bytes of the oldest unreleased message on `lane`: at most `bytes`, which is
  /// what is left of the message, and perhaps fewer, but whole elements if the sender's pieces are.
  /// Valid until advance(). Throws TUTTI_MISMATCH if the announcement is of another call or of
  /// another length than `bytes`, TUTTI_PEER_FAILED if it is damaged or cannot be read.
  virtual View view(int lane, std::uint32_t call_hash, std::size_t bytes) = 0;

  /// Like view() and advance() in one: moves up to `bytes` next bytes to `dst` and says how many.
  /// `there` tells an empty message from none; data is dst.
  virtual View fetch(int lane, std::uint32_t call_hash, std::byte* dst, std::size_t bytes,
                     Stores stores) = 0;

  /// The first `bytes` of the last view() are read.
  virtual void advance(int lane, std::size_t bytes) = 0;

  /// The message is read to its end: gives its place back to the sender.
  virtual void release(int lane) = 0;
};

/// A thread's way to pass the time until something may have moved.
class Pauser {
 public:
  virtual ~Pauser() = default;
  /// Passes some: yields, then sleeps, never past the moment something can move on any channel of
  /// this rank. True: it is time to look around.
  virtual bool pause() = 0;
  /// Something moved: the next pause() is short again.
  virtual void reset() = 0;
};

class Transport {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~Transport() = default;

  virtual const Caps& caps() const = 0;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// The number in its world of rank `rank` here: errors name ranks by it.
  virtual int world_rank(int rank) const = 0;

  /// Another channel, 1 … kChannels-1, among the same ranks. Local: a peer that has not done the
  /// same yet is merely late. Each at most once; none outlives this one. Its calls are published
  /// with those of this one, or, `apart`, by themselves.
  virtual std::unique_ptr<Transport> channel(int number, bool apart) = 0;

  /// Makes room for channels among `size` ranks. Throws TUTTI_NO_MEMORY.
  virtual ChannelOffer offer(int size) = 0;
  /// Channel 0 among `ranks` of this transport, this one among them, which have made these offers
  /// to each other and all open them. Their room comes back some time after the last one has closed
  /// its channels. Throws TUTTI_PEER_FAILED for an offer that no rank can have made.
  virtual std::unique_ptr<Transport> open(std::span<const int> ranks,
                                          std::span<const ChannelOffer> offers) = 0;
  /// Takes an offer back that this rank does not open.
  virtual void withdraw(const ChannelOffer& offer) = 0;

  /// The endpoint of another rank.
  virtual Endpoint& endpoint(int rank) = 0;

  /// Memory for plans that need some; peers read it directly.
  virtual std::span<std::byte> scratch() = 0;

  /// Registered memory (tutti_alloc): zeroed, page-aligned. Throws TUTTI_NO_MEMORY.
  virtual void* allocate(std::size_t bytes) = 0;
  /// Throws TUTTI_INVALID if `pointer` is not from allocate().
  virtual void deallocate(void* pointer) = 0;

  /// Bytes from `pointer` to the end of its block of allocate(), whole pages; none for memory that
  /// is not from there.
  virtual std::optional<std::size_t> registered(const void* pointer) const = 0;

  /// Publishes the record of the next call in the ranks' common order: a few stores.
  virtual void publish(const CallRecord& call) = 0;
  /// A call begins that has been published. Sets its deadline, counted from the first idle() that
  /// reads the clock. Throws the world's fault if there is one.
  virtual void begin(const CallRecord& call, std::chrono::milliseconds timeout) = 0;

  /// Pushes what earlier posts have left to announce. True if anything moved.
  virtual bool progress() = 0;

  /// To be called when nothing could move: spins, then yields, then sleeps, never past the moment
  /// something can move on any channel of this rank. Throws what look_around() does.
  virtual void idle() = 0;
  /// Something moved: the next idle() spins again.
  virtual void busy() = 0;

  /// The two parts of idle(), for whoever waits for more than one channel. The first only passes
  /// time; true: it is time for the second.
  virtual bool pause() = 0;
  /// Throws TUTTI_TIMEOUT past the deadline (naming the latest rank), TUTTI_PEER_FAILED when a rank
  /// died or froze, and TUTTI_MISMATCH when one has made another call.
  virtual void look_around() = 0;

  /// For a further thread of this rank's, which gives way to threads that compute.
  virtual std::unique_ptr<Pauser> pauser() = 0;

  /// The world's fault, which every call throws from now on; none if there is none. Looks whether
  /// the ranks have made the same calls so far: ranks that did not wait may not have noticed.
  virtual std::optional<Error> fault() = 0;

  /// Gives up for good: tells all peers, and waits (bounded, skipping dead ranks) until none of
  /// them reads this rank's memory. Every later call of theirs fails with this cause.
  virtual void abandon(const Error& cause) noexcept = 0;
};

/// What the transport of `size` ranks on `cpus` CPUs of one host can do.
Caps shm_caps(int size, int cpus, CrossMemory cross_memory);

/// Ranks as threads or processes of this host; joins `world` (see bootstrap/world.h). Collective.
std::unique_ptr<Transport> make_shm_transport(const World& world);

}  // namespace tutti

// The reader that runs a plan on real memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "collectives/launch.h"
#include "transport/transport.h"

namespace tutti {

/// The caller's memory in one call.
struct Buffers {
  const std::byte* input = nullptr;
  std::byte* output = nullptr;
};

/// Runs launches on a channel, one at a time. After the first call of a launch,
/// its repetitions allocate nothing.
class Executor {
 public:
  explicit Executor(Transport& transport);

  /// Begins a run of `launch` for a call that has been published. The launch and the buffers must
  /// stay until advance() is true. Throws what the transport throws; it is unusable then.
  void start(const Launch& launch, const Buffers& buffers, const CallRecord& call,
             std::chrono::milliseconds timeout);

  /// Goes on as far as it can without waiting. True: this rank's part is complete and all its
  /// messages are read. Throws as start().
  bool advance();
  /// Whether the last advance(), which did not complete it, got anywhere.
  bool moved() const { return moved_; }
  /// "rank 1: all_reduce #41 (sum, f32, count 1024)": what it runs.
  std::string call_text() const;

 private:
  // One input of the current reduction: a peer's message, or ranges of local memory.
  struct Source {
    Endpoint* endpoint = nullptr;         // a peer's message, if not null
    const std::byte* base = nullptr;      // else local memory
    std::uint32_t range = 0, ranges = 0;  // its parts in Lane::ranges, if it is not one range
    std::size_t left = 0;                 // bytes until the end of the current range
  };

  struct Lane {
    LaneCursor cursor;
    std::uint32_t tokens[kMaxLanes] = {};  // by the lane that gave them
    // The reduction under way, kept while it is blocked.
    bool started = false;
    std::size_t done = 0, total = 0;  // bytes
    std::size_t ready = 0;            // sources that have a view
    std::size_t common = 0;           // bytes that all these views have
    std::vector<Source> sources;      // the operands
    Source target;
    std::vector<const void*> data;  // of each source, at `done`
    std::vector<Range> ranges;
    std::vector<Piece> pieces;  // of the send under way
  };

  bool attempt(int lane, const Step& step);
  bool send(int lane, const Step& step);
  bool reduce(int lane, const Step& step);
  void start_reduce(Lane& lane, const Step& step);
  bool gather_views(int lane);
  void combine(ReduceShape shape, void* to, std::span<const void* const> sources,
               std::size_t count) const;
  Stores stores_to(Buffer buffer) const;
  bool fetch(int lane, const Step& step);
  std::size_t locate(Lane& lane, const Ref& ref, Source& source);
  static void advance(Lane& lane, Source& source, std::size_t bytes);
  bool drained() const;

  std::byte* base_of(Buffer buffer) const;

  // Fixed after construction.
  Transport& transport_;
  std::vector<Endpoint*> endpoints_;  // by rank; null for oneself

  // The Run.
  const Launch* launch_ = nullptr;
  std::uint64_t sequence_ = 0;
  std::uint32_t call_hash_ = 0;  // of this turn of the launch's call
  Buffers buffers_;
  std::vector<Lane> lanes_;
  std::vector<std::uint64_t> posted_;  // by rank * kMaxLanes + lane: the run that last posted there
  std::vector<std::uint32_t> posts_;   // the entries of posted_ that belong to this run
  std::uint64_t run_ = 0;
  bool moved_ = false;
};

}  // namespace tutti

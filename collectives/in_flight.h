// The calls of a communicator that are in flight without anybody waiting for them.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>

#include "collectives/execute.h"
#include "collectives/progress.h"
#include "collectives/request.h"
#include "collectives/transfers.h"
#include "transport/transport.h"

namespace tutti {

/// Runs up to four launches at a time, each on a channel of its own, which the k-th start of every
/// rank takes in turn; later ones wait in order. With Progress's lock held, throughout.
class InFlight final : public Progress::Party {
 public:
  /// On channels of `base`.
  InFlight(Transport& base, Progress& progress) : base_(base), progress_(progress) {}
  ~InFlight() override;

  /// Starts all parts of a request, which must stay until it is complete. Never waits. Failures are
  /// the request's. Calls have been published.
  void start(Request& request);

  bool advance() noexcept override;
  bool active() const override { return active_ > 0; }

  void look_around() noexcept override;
  /// Ends all that is in flight.
  void fail(const Error& cause) noexcept;

  /// Where messages between two ranks are published.
  Transport& transfer_channel() { return transfers().transport(); }

 private:
  // Channel 0 is for calls that block, the last one for messages.
  static constexpr int kRuns = kChannels - 2;

  struct Run {
    std::unique_ptr<Transport> transport;  // made when first needed
    std::unique_ptr<Executor> executor;
    Part* part = nullptr;         // that runs
    std::deque<Part*> waiting{};  // for their turn
  };

  template <typename Body>
  void guarded(Body body) noexcept;
  Transfers& transfers();
  void start_run(Part& part);
  void begin(Run& run);
  bool advance(Run& run);
  void complete(Part& part);

  Transport& base_;
  Progress& progress_;
  // Made beforehand: later there may be no memory for their texts.
  const Error out_of_memory_{TUTTI_NO_MEMORY, "out of memory in the middle of a call"};
  const Error defect_{TUTTI_INTERNAL, "an unexpected exception in the middle of a call"};
  std::array<Run, kRuns> runs_;
  std::unique_ptr<Transfers> transfers_;  // made when first needed
  std::uint64_t starts_ = 0;              // of launches
  std::uint32_t running_ = 0;             // a bit for each Run that has a part
  std::size_t active_ = 0;
  std::optional<Error> failure_;
};

}  // namespace tutti

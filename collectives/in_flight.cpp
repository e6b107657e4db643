#include "collectives/in_flight.h"

#include <bit>
#include <cstring>
#include <exception>
#include <new>

namespace tutti {
namespace {

/// Most fused calls are single elements.
void copy(std::byte* to, const std::byte* from, std::size_t bytes) {
  if (bytes == 8) {
    std::memcpy(to, from, 8);
  } else if (bytes == 4) {
    std::memcpy(to, from, 4);
  } else if (bytes > 0) {
    std::memcpy(to, from, bytes);
  }
}

void gather(Fused& fused) {
  std::byte* to = fused.vector.data();
  for (const Fused::Call& call : fused.calls) {
    copy(to, call.buffers.input, call.bytes);
    to += call.bytes;
  }
}

void scatter(const Fused& fused) {
  const std::byte* from = fused.vector.data();
  for (const Fused::Call& call : fused.calls) {
    copy(call.buffers.output, from, call.bytes);
    from += call.bytes;
  }
}

}  // namespace

InFlight::~InFlight() {
  const auto lock = progress_.lock();
  progress_.leave(*this);
}

void InFlight::start(Request& request) {
  if (request.failure) request.failure.reset();
  request.in_flight = request.parts.size();
  active_ += request.parts.size();
  guarded([&] {
    for (Part& part : request.parts) {
      part.request = &request;
      part.done = 0;
      part.launch ? start_run(part) : transfers().start(part);
    }
  });
  if (failure_) {  // then nothing is in flight, and some parts have not been started
    request.failure = failure_;
    request.in_flight = 0;
    active_ = 0;
  }
  if (active()) progress_.join(*this);
}

/// Does what may fail; then all that is in flight has failed.
template <typename Body>
void InFlight::guarded(Body body) noexcept {
  try {
    body();
  } catch (const Error& e) {
    fail(e);
  } catch (const std::bad_alloc&) {
    fail(out_of_memory_);
  } catch (const std::exception&) {
    fail(defect_);
  }
}

Transfers& InFlight::transfers() {
  if (!transfers_)
    transfers_ = std::make_unique<Transfers>(base_.channel(kChannels - 1, true),
                                             [this](Part& part) { complete(part); });
  return *transfers_;
}

void InFlight::start_run(Part& part) {
  const std::uint64_t turn = starts_++ % kRuns;
  Run& run = runs_[turn];
  if (!run.transport) {
    run.transport = base_.channel(static_cast<int>(turn) + 1, false);
    run.executor = std::make_unique<Executor>(*run.transport);
  }
  if (run.part != nullptr) {
    run.waiting.push_back(&part);
    return;
  }
  run.part = &part;
  running_ |= 1U << turn;
  begin(run);
  advance(run);
}

void InFlight::begin(Run& run) {
  Part& part = *run.part;
  if (part.fused) gather(*part.fused);
  run.executor->start(*part.launch, part.buffers, part.record, part.timeout);
}

/// True if anything moved.
bool InFlight::advance(Run& run) {
  if (!run.executor->advance()) return run.executor->moved();
  do {
    complete(*run.part);
    run.part = nullptr;
    if (run.waiting.empty()) {
      running_ &= ~(1U << (&run - runs_.data()));
      break;
    }
    run.part = run.waiting.front();
    run.waiting.pop_front();
    begin(run);
  } while (run.executor->advance());
  return true;
}

void InFlight::complete(Part& part) {
  if (part.fused) scatter(*part.fused);
  --part.request->in_flight;
  --active_;
}

bool InFlight::advance() noexcept {
  bool moved = false;
  guarded([&] {
    for (std::uint32_t left = running_; left != 0; left &= left - 1)
      moved |= advance(runs_[static_cast<std::size_t>(std::countr_zero(left))]);
    if (transfers_ && transfers_->active()) moved |= transfers_->advance();
  });
  return moved;
}

void InFlight::look_around() noexcept {
  guarded([&] {
    for (Run& run : runs_)
      if (run.part != nullptr) run.transport->look_around();
    if (transfers_ && transfers_->active()) transfers_->transport().look_around();
  });
}

void InFlight::fail(const Error& cause) noexcept {
  failure_ = cause;
  const auto end = [&](Part& part) {
    part.request->failure = cause;
    --part.request->in_flight;
  };
  for (Run& run : runs_) {
    if (run.part != nullptr) end(*run.part);
    for (Part* part : run.waiting) end(*part);
    run.part = nullptr;
    run.waiting.clear();
    if (run.transport) run.transport->abandon(cause);
  }
  if (transfers_) {
    transfers_->give_up(end);
    transfers_->transport().abandon(cause);
  }
  active_ = 0;
  running_ = 0;
}

}  // namespace tutti

#include "collectives/in_flight.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>

namespace tutti {
namespace {

void gather(Fused& fused) {
  std::byte* to = fused.vector.data();
  for (std::size_t i = 0; i < fused.calls.size(); to += fused.bytes[i++])
    if (fused.bytes[i] > 0) std::memcpy(to, fused.calls[i].input, fused.bytes[i]);
}

void scatter(const Fused& fused) {
  const std::byte* from = fused.vector.data();
  for (std::size_t i = 0; i < fused.calls.size(); from += fused.bytes[i++])
    if (fused.bytes[i] > 0) std::memcpy(fused.calls[i].output, from, fused.bytes[i]);
}

}  // namespace

InFlight::~InFlight() {
  const auto lock = progress_.lock();
  progress_.leave(*this);
}

void InFlight::start(Request& request) {
  request.failure.reset();
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
  run.parts.push_back(&part);
  if (run.parts.size() > 1) return;  // it waits for its turn
  begin(run);
  advance(run);
}

void InFlight::begin(Run& run) {
  Part& part = *run.parts.front();
  if (part.fused) gather(*part.fused);
  run.executor->start(*part.launch, part.buffers, part.record, part.timeout);
}

/// True if anything moved.
bool InFlight::advance(Run& run) {
  bool moved = false;
  while (!run.parts.empty()) {
    const bool ended = run.executor->advance();
    moved |= ended || run.executor->moved();
    if (!ended) break;
    Part& part = *run.parts.front();
    run.parts.pop_front();
    complete(part);
    if (!run.parts.empty()) begin(run);
  }
  return moved;
}

void InFlight::complete(Part& part) {
  if (part.fused) scatter(*part.fused);
  --part.request->in_flight;
  --active_;
}

bool InFlight::advance() noexcept {
  bool moved = false;
  guarded([&] {
    for (Run& run : runs_) moved |= advance(run);
    if (transfers_ && transfers_->active()) moved |= transfers_->advance();
  });
  return moved;
}

void InFlight::look_around() noexcept {
  guarded([&] {
    for (Run& run : runs_)
      if (!run.parts.empty()) run.transport->look_around();
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
    for (Part* part : run.parts) end(*part);
    run.parts.clear();
    if (run.transport) run.transport->abandon(cause);
  }
  if (transfers_) {
    transfers_->give_up(end);
    transfers_->transport().abandon(cause);
  }
  active_ = 0;
}

}  // namespace tutti

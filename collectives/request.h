// What a caller does not wait for at once: one call, or those of a group.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "collectives/execute.h"
#include "collectives/launch.h"
#include "kernels/error.h"

namespace tutti {

struct Request;

/// Bytes from one rank to another, outside of the collective order.
struct Transfer {
  int peer = 0;
  bool outgoing = false;
  std::byte* data = nullptr;  // outgoing: only read
  std::size_t bytes = 0;
  CallRecord record;  // its hash is the same on both sides
};

/// Small calls of a group that run as one: their data, side by side, as one vector.
struct Fused {
  struct Call {
    Buffers buffers;
    std::size_t bytes = 0;
  };
  std::vector<Call> calls;
  std::vector<std::byte> vector;
};

/// One call of a request: a run of a launch, or a message.
struct Part {
  Request* request = nullptr;
  std::chrono::milliseconds timeout{};
  std::shared_ptr<const Launch> launch;  // null: a message
  Buffers buffers;
  CallRecord record;  // of the launch's call
  Transfer transfer;
  std::size_t done = 0;          // bytes that have come of an incoming message
  std::unique_ptr<Fused> fused;  // null: the caller's own buffers
};

/// A call that waits for the end of its group.
struct GroupCall {
  const Launch* launch = nullptr;
  std::size_t kept = 0;  // where the group keeps the launch
  Buffers buffers{};
  std::chrono::milliseconds timeout{};
};

/// Used with Progress's lock held while it is in flight. Its parts do not move then.
struct Request {
  std::vector<Part> parts;
  std::size_t in_flight = 0;  // parts
  std::optional<Error> failure;

  bool complete() const { return in_flight == 0; }
};

}  // namespace tutti

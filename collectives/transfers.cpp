#include "collectives/transfers.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

namespace tutti {
namespace {

constexpr int kLane = 0;

}  // namespace

Transfers::Transfers(std::unique_ptr<Transport> transport, std::function<void(Part&)> complete)
    : transport_(std::move(transport)),
      complete_(std::move(complete)),
      queues_(static_cast<std::size_t>(transport_->size())) {}

void Transfers::start(Part& part) {
  const int peer = part.transfer.peer;
  Queues& queues = queues_[static_cast<std::size_t>(peer)];
  transport_->begin(part.transfer.record, part.timeout);
  ++active_;
  (part.transfer.outgoing ? queues.outgoing : queues.incoming).push_back(&part);
  if (std::ranges::find(busy_, peer) == busy_.end()) busy_.push_back(peer);
  advance(peer);
}

bool Transfers::advance() {
  bool moved = false;
  for (const int peer : busy_) moved |= advance(peer);
  std::erase_if(busy_, [this](int peer) {
    const Queues& q = queues_[static_cast<std::size_t>(peer)];
    return q.outgoing.empty() && q.posted.empty() && q.incoming.empty();
  });
  return transport_->progress() || moved;
}

bool Transfers::advance(int peer) {
  if (peer == transport_->rank()) return advance_self();
  Queues& queues = queues_[static_cast<std::size_t>(peer)];
  Endpoint& endpoint = transport_->endpoint(peer);
  bool moved = post(queues, endpoint);
  moved |= drain(queues, endpoint);
  return receive(queues, endpoint) || moved;
}

bool Transfers::post(Queues& queues, Endpoint& endpoint) {
  bool moved = false;
  while (!queues.outgoing.empty()) {
    Part& part = *queues.outgoing.front();
    const Transfer& m = part.transfer;
    if (!endpoint.post(kLane, m.record.hash, std::array{Piece{m.data, m.bytes}})) break;
    queues.outgoing.pop_front();
    queues.posted.push_back({&part, ++queues.posts});
    moved = true;
  }
  return moved;
}

bool Transfers::drain(Queues& queues, Endpoint& endpoint) {
  bool moved = false;
  while (!queues.posted.empty()) {
    const Posted first = queues.posted.front();
    if (!endpoint.drained(kLane, static_cast<std::uint32_t>(queues.posts - first.number))) break;
    queues.posted.pop_front();
    done(*first.part);
    moved = true;
  }
  return moved;
}

bool Transfers::receive(Queues& queues, Endpoint& endpoint) {
  bool moved = false;
  while (!queues.incoming.empty()) {
    Part& part = *queues.incoming.front();
    const Transfer& m = part.transfer;
    const View view = endpoint.fetch(kLane, m.record.hash, m.data + part.done, m.bytes - part.done,
                                     Stores::kCached);
    if (!view.there) break;
    moved = true;
    part.done += view.bytes;
    if (part.done < m.bytes) continue;
    endpoint.release(kLane);
    queues.incoming.pop_front();
    done(part);
  }
  return moved;
}

/// A message to oneself meets its receive here.
bool Transfers::advance_self() {
  Queues& queues = queues_[static_cast<std::size_t>(transport_->rank())];
  bool moved = false;
  while (!queues.outgoing.empty() && !queues.incoming.empty()) {
    Part& from = *queues.outgoing.front();
    Part& to = *queues.incoming.front();
    if (from.transfer.record.hash != to.transfer.record.hash)
      throw Error(TUTTI_MISMATCH,
                  "rank " + std::to_string(transport_->world_rank(transport_->rank())) + ": " +
                      describe(from.transfer.record) + ", but " + describe(to.transfer.record));
    if (to.transfer.bytes > 0)
      std::memmove(to.transfer.data, from.transfer.data, to.transfer.bytes);
    queues.outgoing.pop_front();
    queues.incoming.pop_front();
    done(from);
    done(to);
    moved = true;
  }
  return moved;
}

void Transfers::done(Part& part) {
  --active_;
  complete_(part);
}

}  // namespace tutti

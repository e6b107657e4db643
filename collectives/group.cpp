// Groups of calls: collected, fused where they are small and of a kind, and given as one request.
#include <algorithm>

#include "collectives/communicator.h"

namespace tutti {
namespace {

// One message of the fused call then costs about as much as one of a single call's: bytes are
// nearly free. Longer calls are better off side by side.
constexpr std::size_t kFusedCallBytes = 4096;
constexpr std::size_t kFusedBytes = std::size_t{64} << 10;

std::size_t bytes_of(const GroupCall& call) {
  return call.launch->key.count * call.launch->element_bytes;
}

bool is_small(const GroupCall& call) {
  return call.launch->key.collective == Collective::kAllReduce && bytes_of(call) <= kFusedCallBytes;
}

/// Whether two calls combine elements in the same way.
bool of_a_kind(const GroupCall& a, const GroupCall& b) {
  return a.launch == b.launch ||
         (a.launch->key.dtype == b.launch->key.dtype && a.launch->key.op == b.launch->key.op &&
          a.launch->key.reproducible == b.launch->key.reproducible &&
          a.launch->forced == b.launch->forced && a.timeout == b.timeout);
}

}  // namespace

void Communicator::begin_group() {
  require_usable();
  in_group_ = true;
}

void Communicator::add_to_group(const Call& call) {
  bool began = false;
  guarded(began, [&] {
    const auto& launch = launch_for(call);
    // Calls of a kind follow each other: one of them keeps the launch for all.
    if (group_launches_.empty() || group_launches_.back() != launch)
      group_launches_.push_back(launch);
    group_.push_back({.launch = launch.get(),
                      .kept = group_launches_.size() - 1,
                      .buffers = call.buffers,
                      .timeout = call.timeout.value_or(default_timeout_)});
  });
}

void Communicator::add_to_group(std::span<const Transfer> transfers,
                                std::optional<std::chrono::milliseconds> timeout) {
  require_usable();
  for (const Transfer& transfer : transfers)
    group_transfers_.emplace_back(transfer, timeout.value_or(default_timeout_));
}

/// All ranks make the same calls, so all fuse the same ones. A part that has fused calls before
/// keeps its memory.
void Communicator::fuse(std::span<const GroupCall> calls, Part& part) {
  if (!part.fused) part.fused = std::make_unique<Fused>();
  Fused& fused = *part.fused;
  fused.calls.clear();
  std::size_t count = 0, bytes = 0;
  for (const GroupCall& call : calls) {
    count += call.launch->key.count;
    bytes += bytes_of(call);
    fused.calls.push_back({call.buffers, bytes_of(call)});
  }
  fused.vector.resize(bytes);
  Call all{.key = calls[0].launch->key,
           .buffers = {fused.vector.data(), fused.vector.data()},
           .algorithm = calls[0].launch->forced};
  all.key.count = count;
  all.key.in_place = true;
  part.timeout = calls[0].timeout;
  part.launch = find_launch(all);
  part.record = part.launch->record;
  part.buffers = all.buffers;
}

/// How many of the first calls are fused; 1: the first one stays as it is.
std::size_t Communicator::fusible(std::span<const GroupCall> calls) {
  std::size_t n = 0, bytes = 0;
  while (n < calls.size() && is_small(calls[n]) && of_a_kind(calls[0], calls[n])) {
    bytes += bytes_of(calls[n]);
    if (bytes > kFusedBytes) break;
    ++n;
  }
  return std::max<std::size_t>(n, 1);
}

// Messages do not come between calls: not all ranks have them, and all must fuse the same calls.
void Communicator::fill_from_group(Request& request) {
  std::size_t parts = 0;
  const auto next_part = [&]() -> Part& {
    if (request.parts.size() == parts) request.parts.emplace_back();
    return request.parts[parts++];
  };
  std::span<const GroupCall> calls(group_);
  for (std::size_t n = 0; !calls.empty(); calls = calls.subspan(n)) {
    n = fusible(calls);
    Part& part = next_part();
    if (n > 1) {
      fuse(calls.first(n), part);
      continue;
    }
    part.launch = group_launches_[calls[0].kept];
    part.record = part.launch->record;
    part.buffers = calls[0].buffers;
    part.timeout = calls[0].timeout;
    part.fused.reset();
  }
  for (const auto& [transfer, timeout] : group_transfers_) {
    Part& part = next_part();
    part.launch = nullptr;
    part.transfer = transfer;
    part.timeout = timeout;
    part.fused.reset();
  }
  request.parts.resize(parts);
}

void Communicator::end_group(Request& request) {
  const auto close = [&] {
    in_group_ = false;
    group_.clear();
    group_launches_.clear();
    group_transfers_.clear();
  };
  bool began = false;
  try {
    guarded(began, [&] { fill_from_group(request); });
  } catch (...) {
    close();
    throw;
  }
  close();
}

void Communicator::run_group() {
  end_group(grouped_);
  start(grouped_);
  wait(grouped_);
}

std::unique_ptr<Request> Communicator::prepare_group() {
  auto request = std::make_unique<Request>();
  end_group(*request);
  return request;
}

}  // namespace tutti

// Groups of calls: collected, fused where they are small and of a kind, and given as one request.
#include <cassert>
#include <utility>

#include "collectives/communicator.h"

namespace tutti {
namespace {

// One message of the fused call then costs about as much as one of a single call's: bytes are
// nearly free. Longer calls are better off side by side.
constexpr std::size_t kFusedCallBytes = 4096;
constexpr std::size_t kFusedBytes = std::size_t{64} << 10;

std::size_t bytes_of(const Part& part) {
  return part.launch->key.count * part.launch->element_bytes;
}

bool is_small(const Part& part) {
  return part.launch && part.launch->key.collective == Collective::kAllReduce &&
         bytes_of(part) <= kFusedCallBytes;
}

/// Whether two calls combine elements in the same way.
bool of_a_kind(const Part& a, const Part& b) {
  return a.launch->key.dtype == b.launch->key.dtype && a.launch->key.op == b.launch->key.op &&
         a.launch->forced == b.launch->forced && a.timeout == b.timeout;
}

}  // namespace

void Communicator::begin_group() {
  require_usable();
  group_ = std::make_unique<Request>();
}

void Communicator::add_to_group(std::unique_ptr<Request> request) {
  for (Part& part : request->parts) group_->parts.push_back(std::move(part));
}

/// All ranks make the same calls, so all fuse the same ones.
Part Communicator::fuse(std::span<Part> calls) {
  auto fused = std::make_unique<Fused>();
  std::size_t count = 0, bytes = 0;
  for (const Part& call : calls) {
    count += call.launch->key.count;
    bytes += bytes_of(call);
    fused->calls.push_back(call.buffers);
    fused->bytes.push_back(bytes_of(call));
  }
  fused->vector.resize(bytes);
  Call all{.key = calls[0].launch->key,
           .buffers = {fused->vector.data(), fused->vector.data()},
           .algorithm = calls[0].launch->forced};
  all.key.count = count;
  all.key.in_place = true;
  Part part;
  part.timeout = calls[0].timeout;
  part.launch = launch_for(all);
  part.buffers = all.buffers;
  part.fused = std::move(fused);
  return part;
}

std::unique_ptr<Request> Communicator::end_group() {
  const std::unique_ptr<Request> given = std::move(group_);
  auto request = std::make_unique<Request>();
  const std::span<Part> parts(given->parts);
  for (std::size_t first = 0, last = 0; first < parts.size(); first = last) {
    std::size_t bytes = 0;
    last = first;
    while (last < parts.size() && is_small(parts[last]) && of_a_kind(parts[first], parts[last]) &&
           bytes + bytes_of(parts[last]) <= kFusedBytes)
      bytes += bytes_of(parts[last++]);
    if (last - first > 1) {
      request->parts.push_back(fuse(parts.subspan(first, last - first)));
    } else {
      last = first + 1;
      request->parts.push_back(std::move(parts[first]));
    }
  }
  return request;
}

}  // namespace tutti

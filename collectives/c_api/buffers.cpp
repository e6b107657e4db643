#include "collectives/c_api/buffers.h"

#include <algorithm>
#include <string>

#include "collectives/c_api/door.h"

namespace tutti {
namespace {

// Peers read registered memory themselves, so what lies past the block's end is refused here.
// A block is a page at least: for less than that no call pays.
void check_block(const Communicator& c, const char* name, const void* buffer, std::size_t bytes) {
  constexpr std::size_t kPage = 4096;
  if (bytes <= kPage) return;
  const auto block = c.registered(buffer);
  if (block && *block < bytes) {
    invalid(std::string(name) + " has " + std::to_string(*block) +
            " bytes up to the end of its tutti_alloc() block; count needs " +
            std::to_string(bytes));
  }
}

}  // namespace

Given given(const char* name, const void* data, int blocks, std::size_t count, Dtype dtype) {
  std::size_t elements = 0;
  if (__builtin_mul_overflow(count, static_cast<std::size_t>(blocks), &elements)) {
    invalid("count " + std::to_string(count) + " for each of " + std::to_string(blocks) +
            " ranks exceeds the address space");
  }
  return {name, blocks == 0 ? nullptr : data, checked_bytes(elements, dtype)};
}

void check_given(const Communicator& c, const Given& buffer) {
  if (buffer.bytes == 0) return;
  if (buffer.data == nullptr) invalid(std::string(buffer.name) + " is NULL");
  check_block(c, buffer.name, buffer.data, buffer.bytes);
}

InPlace in_place_form(Collective collective, std::size_t block_bytes, int rank) {
  const std::size_t own = static_cast<std::size_t>(rank) * block_bytes;
  switch (collective) {
    case Collective::kReduceScatter:
    case Collective::kScatter:
      return {.input = own, .how = "recv must be send + rank * recv_count, or apart from send"};
    case Collective::kAllGather:
    case Collective::kGather:
      return {.output = own, .how = "send must be recv + rank * send_count, or apart from recv"};
    case Collective::kAllToAll:
      return {.offered = false, .how = "there is no in-place form; give separate buffers"};
    default:
      return {};
  }
}

bool is_in_place(const Given& send, const Given& recv, const InPlace& form) {
  const auto s = reinterpret_cast<std::uintptr_t>(send.data);
  const auto r = reinterpret_cast<std::uintptr_t>(recv.data);
  return form.offered && s + form.input == r + form.output;
}

void check_overlap(const Given& send, const Given& recv, const InPlace& form) {
  if (send.bytes == 0 || recv.bytes == 0 || is_in_place(send, recv, form)) return;
  const auto s = reinterpret_cast<std::uintptr_t>(send.data);
  const auto r = reinterpret_cast<std::uintptr_t>(recv.data);
  if (s >= r + recv.bytes || r >= s + send.bytes) return;
  const std::uintptr_t common = std::min(s + send.bytes, r + recv.bytes) - std::max(s, r);
  invalid("send and recv overlap by " + std::to_string(common) + " bytes: " + form.how);
}

}  // namespace tutti

// The buffers of a call as the caller gives them: how long they are, and how they may lie.
#pragma once

#include <cstddef>
#include <cstdint>

#include "collectives/communicator.h"

namespace tutti {

/// One of a call's buffers, on this rank.
struct Given {
  const char* name;
  const void* data;
  std::size_t bytes;
};

/// How the buffers must lie in a call in place: `input` bytes into the one where the other begins.
struct InPlace {
  bool offered = true;
  std::size_t input = 0;   // of the output in the input
  std::size_t output = 0;  // of the input in the output
  const char* how = "pass the same pointer for an in-place call, or separate buffers";
};

[[noreturn]] void refuse_length(int blocks, std::size_t block_bytes);
[[noreturn]] void refuse_null(const Given& buffer);
[[noreturn]] void refuse_overlap(const Given& send, const Given& recv, const InPlace& form);
void check_block(const Communicator& c, const Given& buffer);

/// A buffer of `blocks` blocks; where it has none the caller's pointer means nothing. Throws if it
/// exceeds the address space.
inline Given given(const char* name, const void* data, int blocks, std::size_t block_bytes) {
  if (blocks == 0) return {name, nullptr, 0};
  std::ptrdiff_t bytes = 0;
  if (__builtin_mul_overflow(block_bytes, blocks, &bytes)) refuse_length(blocks, block_bytes);
  return {name, data, static_cast<std::size_t>(bytes)};
}

/// Refuses NULL, and what passes the end of a block of registered memory.
inline void check_given(const Communicator& c, const Given& buffer) {
  // A block is a page at least: for less than that no call pays.
  constexpr std::size_t kPage = 4096;
  if (buffer.bytes == 0) return;
  if (buffer.data == nullptr) refuse_null(buffer);
  if (buffer.bytes > kPage) check_block(c, buffer);
}

/// Where the two buffers of a rank meet in place.
constexpr InPlace in_place_form(Collective collective, std::size_t block_bytes, int rank) {
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

inline bool is_in_place(const Given& send, const Given& recv, const InPlace& form) {
  const auto s = reinterpret_cast<std::uintptr_t>(send.data);
  const auto r = reinterpret_cast<std::uintptr_t>(recv.data);
  return form.offered && s + form.input == r + form.output;
}

/// Refuses buffers that overlap in another way.
inline void check_overlap(const Given& send, const Given& recv, const InPlace& form) {
  if (send.bytes == 0 || recv.bytes == 0 || is_in_place(send, recv, form)) return;
  const auto s = reinterpret_cast<std::uintptr_t>(send.data);
  const auto r = reinterpret_cast<std::uintptr_t>(recv.data);
  if (s < r + recv.bytes && r < s + send.bytes) refuse_overlap(send, recv, form);
}

}  // namespace tutti

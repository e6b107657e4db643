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

/// A buffer of `blocks` blocks of `count` elements; where it has none the caller's pointer means
/// nothing. Throws if it exceeds the address space.
Given given(const char* name, const void* data, int blocks, std::size_t count, Dtype dtype);

/// Refuses NULL, and what passes the end of a block of registered memory.
void check_given(const Communicator& c, const Given& buffer);

/// How the buffers must lie in a call in place: `input` bytes into the one where the other begins.
struct InPlace {
  bool offered = true;
  std::size_t input = 0;   // of the output in the input
  std::size_t output = 0;  // of the input in the output
  const char* how = "pass the same pointer for an in-place call, or separate buffers";
};

/// Where the two buffers of a rank meet in place.
InPlace in_place_form(Collective collective, std::size_t block_bytes, int rank);
bool is_in_place(const Given& send, const Given& recv, const InPlace& form);
/// Refuses buffers that overlap in another way.
void check_overlap(const Given& send, const Given& recv, const InPlace& form);

}  // namespace tutti

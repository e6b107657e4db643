// A rank's arrays: inputs and outputs, in memory of both kinds.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "tutti/tutti.h"

namespace tutti {

/// Throws std::runtime_error with the library's own text, unless `status` is TUTTI_OK.
void require(tutti_status status, const tutti_comm* comm);

/// An array that is given back at the end.
using OwnedBuffer = std::unique_ptr<std::byte, std::function<void(std::byte*)>>;

/// From tutti_alloc(): must end before `comm` does.
OwnedBuffer registered_buffer(std::size_t bytes, tutti_comm* comm);

/// Ordinary anonymous memory on the system's small pages, like what malloc gives for large arrays.
OwnedBuffer pageable_buffer(std::size_t bytes);

/// One kind's two arrays.
struct BufferPair {
  OwnedBuffer input, output;
};

}  // namespace tutti

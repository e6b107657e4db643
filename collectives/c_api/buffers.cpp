#include "collectives/c_api/buffers.h"

#include <algorithm>
#include <string>

#include "collectives/c_api/door.h"

namespace tutti {

void refuse_length(int blocks, std::size_t block_bytes) {
  invalid("count is " + std::to_string(block_bytes) + " bytes for each of " +
          std::to_string(blocks) + " ranks: that exceeds the address space");
}

void refuse_null(const Given& buffer) { invalid(std::string(buffer.name) + " is NULL"); }

// Peers read registered memory themselves, so what lies past the block's end is refused here.
void check_block(const Communicator& c, const Given& buffer) {
  const auto block = c.registered(buffer.data);
  if (!block || *block >= buffer.bytes) return;
  invalid(std::string(buffer.name) + " has " + std::to_string(*block) +
          " bytes up to the end of its tutti_alloc() block; count needs " +
          std::to_string(buffer.bytes));
}

void refuse_overlap(const Given& send, const Given& recv, const InPlace& form) {
  const auto s = reinterpret_cast<std::uintptr_t>(send.data);
  const auto r = reinterpret_cast<std::uintptr_t>(recv.data);
  const std::uintptr_t common = std::min(s + send.bytes, r + recv.bytes) - std::max(s, r);
  invalid("send and recv overlap by " + std::to_string(common) + " bytes: " + form.how);
}

}  // namespace tutti

// Communicators made from others.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "collectives/c_api/door.h"

namespace tutti {
namespace {

void split(tutti_comm** child, std::optional<int> colour, int key, Communicator& c) {
  require(child, "child");
  if (c.in_group()) invalid("a group is open: tutti_group_end() ends it");
  auto made = c.split(colour, key);
  *child = made == nullptr ? nullptr
                           : HandleTable::instance().add(std::make_unique<Handle>(std::move(made)));
}

}  // namespace
}  // namespace tutti

using namespace tutti;  // NOLINT: this file is the C side

tutti_status tutti_comm_split(tutti_comm** child, int32_t colour, int32_t key, tutti_comm* comm) {
  return named_call("comm_split", comm, [&](Communicator& c) {
    if (colour < 0 && colour != TUTTI_NO_COLOUR)
      invalid("colour is " + std::to_string(colour) + ": give 0 or more, or TUTTI_NO_COLOUR");
    split(child, colour == TUTTI_NO_COLOUR ? std::nullopt : std::optional(colour), key, c);
  });
}

tutti_status tutti_comm_duplicate(tutti_comm** child, tutti_comm* comm) {
  return named_call("comm_duplicate", comm, [&](Communicator& c) { split(child, 0, 0, c); });
}

tutti_status tutti_comm_free(tutti_comm* comm) {
  return guarded(nullptr, [&] {
    if (comm == nullptr) return;
    if (!communicator(comm).is_child()) invalid("tutti_finish() ends what tutti_start() gave");
    end_communicator(comm);
  });
}

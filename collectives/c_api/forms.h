// The forms of a call: run to its end, collected in a group, or given as a request.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string_view>

#include "collectives/communicator.h"
#include "tutti/tutti.h"

namespace tutti {

/// What the options say of how a call is made.
struct Manner {
  std::string_view algorithm{};  // empty: chosen
  std::optional<std::chrono::milliseconds> timeout{};
  tutti_request** request = nullptr;  // null: the call blocks
  bool persistent = false;            // it is only prepared
  bool reproducible = false;          // if it reduces; also where the communicator is
};
/// Throws for options that make no sense.
Manner read_manner(const tutti_options& options);
inline Manner manner_of(const tutti_options* options) {
  return options == nullptr ? Manner{} : read_manner(*options);
}

/// Makes a call whose arguments have been checked, as `manner` says.
void perform_later(tutti_comm* comm, Communicator& c, const Call& call, const Manner& manner);
inline void perform(tutti_comm* comm, Communicator& c, Call& call, const Manner& manner) {
  call.algorithm = manner.algorithm;
  call.timeout = manner.timeout;
  call.key.reproducible =
      traits_of(call.key.collective).reduces && (manner.reproducible || c.reproducible());
  if (c.in_group() || manner.request != nullptr) return perform_later(comm, c, call, manner);
  c.run(call);
}
void perform(tutti_comm* comm, Communicator& c, std::span<const Transfer> transfers,
             const Manner& manner);
/// Makes the calls of the group that is open.
void perform_group(tutti_comm* comm, Communicator& c, const Manner& manner);

}  // namespace tutti

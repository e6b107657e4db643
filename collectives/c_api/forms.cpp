#include "collectives/c_api/forms.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "collectives/c_api/door.h"

namespace tutti {
namespace {

void refuse_in_group(const Manner& manner) {
  if (manner.request != nullptr)
    invalid("options->request is given in a group: tutti_group_end() takes it");
}

/// Gives a request to the caller, started unless it is persistent.
void give(tutti_comm* comm, Communicator& c, std::unique_ptr<Request> request,
          const Manner& manner) {
  RequestTable& table = RequestTable::instance();
  Request& its = *request;
  auto handle = std::make_unique<RequestHandle>();
  *handle = {comm, &HandleTable::instance().find(comm), std::move(request), manner.persistent,
             !manner.persistent};
  tutti_request* const number = table.add(std::move(handle));
  try {
    if (!manner.persistent) c.start(its);
  } catch (...) {
    table.remove(number);
    throw;
  }
  *manner.request = number;
}

}  // namespace

Manner read_manner(const tutti_options& options) {
  const tutti_options o = read_struct<tutti_options>(&options, TUTTI_OPTIONS_INIT, "options");
  Manner manner{
      .request = o.request, .persistent = o.persistent != 0, .reproducible = o.reproducible != 0};
  if (o.algorithm != nullptr) manner.algorithm = o.algorithm;
  if (o.timeout_ms < -1 || o.timeout_ms == 0) {
    invalid("options->timeout_ms is " + std::to_string(o.timeout_ms) +
            ": give a positive time or -1");
  }
  if (o.timeout_ms > 0)
    manner.timeout = std::chrono::milliseconds(std::min(o.timeout_ms, kLongestTimeoutMs));
  if (o.persistent != 0 && o.persistent != 1)
    invalid("options->persistent is " + std::to_string(o.persistent) + ": give 0 or 1");
  if (o.reproducible != 0 && o.reproducible != 1)
    invalid("options->reproducible is " + std::to_string(o.reproducible) + ": give 0 or 1");
  if (manner.persistent && manner.request == nullptr)
    invalid("options->persistent is 1, but options->request is NULL");
  return manner;
}

void perform_later(tutti_comm* comm, Communicator& c, const Call& call, const Manner& manner) {
  if (!c.in_group()) return give(comm, c, c.prepare(call), manner);
  refuse_in_group(manner);
  c.add_to_group(call);
}

void perform(tutti_comm* comm, Communicator& c, std::span<const Transfer> transfers,
             const Manner& manner) {
  if (!manner.algorithm.empty()) invalid("options->algorithm: messages have none");
  if (c.in_group()) {
    refuse_in_group(manner);
    return c.add_to_group(transfers, manner.timeout);
  }
  if (manner.request == nullptr) return c.run(transfers, manner.timeout);
  give(comm, c, c.prepare(transfers, manner.timeout), manner);
}

void perform_group(tutti_comm* comm, Communicator& c, const Manner& manner) {
  if (manner.request == nullptr) return c.run_group();
  give(comm, c, c.prepare_group(), manner);
}

}  // namespace tutti

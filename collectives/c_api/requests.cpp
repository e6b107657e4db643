// Requests, and groups of calls.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "collectives/c_api/door.h"
#include "collectives/c_api/forms.h"

namespace tutti {
namespace {

// Calls `body` with a request and its communicator, which the call uses.
template <typename Body>
tutti_status using_request(const char* name, const tutti_request* request, Body body) noexcept {
  RequestHandle* handle = nullptr;
  const tutti_status status =
      guarded(nullptr, [&] { handle = &RequestTable::instance().find(request); });
  if (status != TUTTI_OK) return status;
  return guarded(handle->comm, [&] {
    const Use use(*handle->of);
    named(name, *handle->of->communicator, [&](Communicator& c) { body(*handle, c); });
  });
}

// Does what completes a request, well or not: then it is gone, or may be started again.
template <typename Body>
bool completing(tutti_request* request, RequestHandle& handle, Body body) {
  if (!handle.started) invalid("the request is persistent and has not been started");
  const auto end = [&] {
    handle.started = false;
    if (!handle.persistent) RequestTable::instance().remove(request);
  };
  bool complete = true;
  try {
    complete = body();
  } catch (...) {
    end();
    throw;
  }
  if (complete) end();
  return complete;
}

// Null: the request is gone. A persistent one stays.
tutti_status complete(const char* name, tutti_request*& request, bool wait, bool& done) {
  bool persistent = false;
  const tutti_status status =
      using_request(name, request, [&](RequestHandle& handle, Communicator& c) {
        persistent = handle.persistent;
        done = completing(request, handle, [&] {
          if (!wait) return c.test(*handle.request);
          c.wait(*handle.request);
          return true;
        });
      });
  if (done && !persistent) request = nullptr;
  return status;
}

tutti_status require_array(const char* name, tutti_request* const* requests, std::size_t count) {
  return guarded(nullptr, [&] {
    if (requests == nullptr && count > 0) invalid(std::string(name) + ": requests is NULL");
  });
}

}  // namespace
}  // namespace tutti

using namespace tutti;  // NOLINT: this file is the C side

tutti_status tutti_test(tutti_request* request, int32_t* done) {
  const tutti_status status = guarded(nullptr, [&] { require(done, "done"); });
  if (status != TUTTI_OK) return status;
  bool complete_now = false;
  const tutti_status result = complete("test", request, false, complete_now);
  if (result == TUTTI_OK) *done = complete_now ? 1 : 0;
  return result;
}

tutti_status tutti_wait(tutti_request* request) {
  bool done = false;
  return complete("wait", request, true, done);
}

tutti_status tutti_wait_all(tutti_request** requests, size_t count) {
  tutti_status status = require_array("wait_all", requests, count);
  for (size_t i = 0; i < count && status == TUTTI_OK; ++i) {
    bool done = false;
    if (requests[i] != nullptr) status = complete("wait_all", requests[i], true, done);
  }
  return status;
}

tutti_status tutti_wait_any(tutti_request** requests, size_t count, size_t* index) {
  tutti_status status = require_array("wait_any", requests, count);
  if (status == TUTTI_OK) status = guarded(nullptr, [&] { require(index, "index"); });
  while (status == TUTTI_OK) {
    const tutti_request* first = nullptr;
    for (size_t i = 0; i < count && status == TUTTI_OK; ++i) {
      if (requests[i] == nullptr) continue;
      if (first == nullptr) first = requests[i];
      bool done = false;
      status = complete("wait_any", requests[i], false, done);
      if (status == TUTTI_OK && done) {
        *index = i;
        return TUTTI_OK;
      }
    }
    if (status == TUTTI_OK && first == nullptr)
      return guarded(nullptr, [] { throw Error(TUTTI_NOT_FOUND, "wait_any: all are NULL"); });
    if (status == TUTTI_OK)
      status = using_request("wait_any", first, [](RequestHandle&, Communicator& c) { c.pause(); });
  }
  return status;
}

tutti_status tutti_request_start(tutti_request* request) {
  return using_request("request_start", request, [&](RequestHandle& handle, Communicator& c) {
    if (!handle.persistent) invalid("the request is not persistent: it was started by its call");
    if (handle.started) invalid("the request is in flight: wait for it first");
    if (c.in_group()) invalid("a group is open: tutti_group_end() ends it");
    c.start(*handle.request);
    handle.started = true;
  });
}

tutti_status tutti_request_free(tutti_request* request) {
  return using_request("request_free", request, [&](RequestHandle& handle, Communicator&) {
    if (handle.started) invalid("the request is in flight: wait for it first");
    RequestTable::instance().remove(request);
  });
}

tutti_status tutti_group_start(tutti_comm* comm) {
  return named_call("group_start", comm, [&](Communicator& c) {
    if (c.in_group()) invalid("a group is open already");
    c.begin_group();
  });
}

tutti_status tutti_group_end(tutti_comm* comm, const tutti_options* options) {
  return named_call("group_end", comm, [&](Communicator& c) {
    if (!c.in_group()) invalid("no group is open");
    const Manner manner = manner_of(options);
    if (!manner.algorithm.empty() || manner.timeout)
      invalid("options->algorithm and timeout_ms are given to the calls of the group");
    perform_group(comm, c, manner);
  });
}

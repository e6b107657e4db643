#include "collectives/c_api/door.h"

#include <memory>
#include <optional>

namespace tutti {
namespace {

std::string& thread_text() {
  thread_local std::string text = "no error";
  return text;
}

}  // namespace

const std::string& thread_failure() { return thread_text(); }

tutti_status record_failure(const tutti_comm* comm, tutti_status status,
                            const char* text) noexcept {
  try {
    thread_text() = text;
    if (comm != nullptr) HandleTable::instance().find(comm).error = text;
  } catch (...) {  // no memory for a text, or no such handle: the thread's text stands
  }
  return status;
}

void invalid(const std::string& text) { throw Error(TUTTI_INVALID, text); }

void end_communicator(tutti_comm* comm) {
  std::unique_ptr<Handle> ended;  // outlives `use`
  const Use use(HandleTable::instance().find(comm));
  Communicator& c = communicator(comm);
  if (c.in_group()) invalid("a group is open: tutti_group_end() ends it");
  const std::optional<Error> unseen = c.unseen_failure();
  const std::size_t requests = RequestTable::instance().started(comm);
  if (requests > 0 && !unseen && c.is_usable())
    invalid(std::to_string(requests) + " requests have not been waited for");
  RequestTable::instance().remove_all(comm);
  ended = HandleTable::instance().remove(comm);
  if (unseen && unseen->status() == TUTTI_MISMATCH) throw *unseen;
}

void require(const void* result, const char* name) {
  if (result == nullptr)
    invalid(std::string(name) + " is NULL: there is nowhere to store the result");
}

void refuse_dtype(tutti_dtype value) { invalid("unknown dtype " + std::to_string(value)); }

void refuse_count(std::size_t count, Dtype dtype) {
  if (count > PTRDIFF_MAX)
    invalid("count is negative or absurd: " + std::to_string(static_cast<std::ptrdiff_t>(count)));
  invalid("count " + std::to_string(count) + " of " + std::string(name_of(dtype)) +
          " exceeds the address space");
}

}  // namespace tutti

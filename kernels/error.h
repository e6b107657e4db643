// The one error type inside Tutti. Thrown where a failure is decided, caught at the C API's door.
// The lowest header of the house: every layer may include it (topology includes nothing else).
#pragma once

#include <stdexcept>
#include <string>

#include "tutti/tutti.h"

namespace tutti {

/// A failure with the status that the C API returns and a text that names rank, call and cause.
class Error : public std::runtime_error {
 public:
  Error(tutti_status status, const std::string& text) : std::runtime_error(text), status_(status) {}

  tutti_status status() const noexcept { return status_; }

 private:
  tutti_status status_;
};

}  // namespace tutti

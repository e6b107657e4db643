#include "transport/system_error.h"

#include <sys/resource.h>

#include <cerrno>
#include <system_error>

namespace tutti {

std::string errno_text(const std::string& what, int error_number) {
  return what + ": " + std::generic_category().message(error_number);
}

Error system_error(const std::string& what, int error_number) {
  const bool used_up = error_number == EMFILE || error_number == ENFILE || error_number == ENOMEM ||
                       error_number == ENOBUFS;
  std::string text = errno_text(what, error_number);
  if (error_number == EMFILE) text += "; " + descriptor_limit();
  return Error(used_up ? TUTTI_NO_MEMORY : TUTTI_SYSTEM, text);
}

std::string descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return "raise the limit (ulimit -n)";
  return "the limit is " + std::to_string(limit.rlim_cur) + ": raise it (ulimit -n)";
}

}  // namespace tutti

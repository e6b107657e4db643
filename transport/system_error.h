// Errors of the operating system's, in words that say what to do.
#pragma once

#include <string>

#include "kernels/error.h"

namespace tutti {

/// "sizing a file: No space left on device".
std::string errno_text(const std::string& what, int error_number);

/// "cannot open a socket: Permission denied": TUTTI_NO_MEMORY where memory, descriptors or another
/// resource ran out, with the limit where one may raise it, and else TUTTI_SYSTEM.
Error system_error(const std::string& what, int error_number);

/// "the limit is 1024: raise it (ulimit -n)", of this process's descriptors.
std::string descriptor_limit();

}  // namespace tutti

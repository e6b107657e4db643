// Threads of Tutti's own: the application's signal handlers do not run in them.
#pragma once

#include <functional>
#include <thread>

namespace tutti {

/// Runs `body` in a thread that takes no signals. `name`, e.g. "the life thread": for the error.
/// Throws TUTTI_SYSTEM.
std::thread quiet_thread(const char* name, std::function<void()> body);

}  // namespace tutti

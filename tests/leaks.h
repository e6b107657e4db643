// LeakSanitizer looks when a program exits. A forked rank leaves by _exit(), and asks here.
#pragma once

// There in a build with AddressSanitizer only.
extern "C" int __lsan_do_recoverable_leak_check() __attribute__((weak));  // NOLINT: its name

namespace tutti::test {

/// Whether this process has lost memory; where, is on standard error. Without LeakSanitizer: no.
inline bool leaks() {
  return __lsan_do_recoverable_leak_check != nullptr && __lsan_do_recoverable_leak_check() != 0;
}

}  // namespace tutti::test

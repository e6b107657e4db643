// Catch2 in either version (2 in Debian 12, 3 in 13), and the visible skip that version 2 lacks.
#pragma once

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace tutti {

/// Says that the running test case, or a part of it, cannot run here, and why; return from it
/// afterwards. Each reason counts as one skipped test in `./tutti-dev test`, and a program whose
/// test cases all skip exits 77. Call it from the main thread.
void skip_test(const std::string& reason);

}  // namespace tutti

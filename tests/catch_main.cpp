// main() of the Catch2 test programs: Catch2's own, and exit 77 where nothing could run.
//
// TUTTI_TEST_ONE_PROCESS=WHY skips the cases tagged [processes], and says how many and why.
#define CATCH_CONFIG_RUNNER
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace {

#if __has_include(<catch2/catch_all.hpp>)
using ListenerBase = Catch::EventListenerBase;
using ListenerConfig = Catch::IConfig*;
#else
using ListenerBase = Catch::TestEventListenerBase;
using ListenerConfig = const Catch::ReporterConfig&;
#endif

constexpr int kExitSkipped = 77;  // Meson's SKIP

/// What one run of the program has skipped.
struct Tally {
  std::set<std::string> reasons;
  int cases = 0, cases_skipped = 0;
  bool skipping = false;  // the present test case
};

Tally& tally() {
  static Tally the_tally;
  return the_tally;
}

struct SkipListener : ListenerBase {
  explicit SkipListener(ListenerConfig config) : ListenerBase(config) {}

  void testCaseStarting(const Catch::TestCaseInfo&) override { tally().skipping = false; }
  void testCaseEnded(const Catch::TestCaseStats&) override {
    tally().cases += 1;
    tally().cases_skipped += tally().skipping ? 1 : 0;
  }
};

CATCH_REGISTER_LISTENER(SkipListener)

auto cases_between_processes() {
  const auto& cases = Catch::getRegistryHub().getTestCaseRegistry().getAllTests();
  return std::ranges::count_if(cases, [](const auto& one) {
    return one.getTestCaseInfo().tagsAsString().find("[processes]") != std::string::npos;
  });
}

}  // namespace

void tutti::skip_test(const std::string& reason) {
  tally().skipping = true;
  if (!tally().reasons.insert(reason).second) return;
  std::printf("skipped: %s\n", reason.c_str());
  std::fflush(stdout);
}

int main(int argc, char** argv) {
  std::vector<const char*> arguments(argv, argv + argc);
  const char* const one_process = std::getenv("TUTTI_TEST_ONE_PROCESS");
  if (const auto skipped = cases_between_processes(); one_process != nullptr && skipped > 0) {
    tutti::skip_test(std::to_string(skipped) + " cases between processes: " + one_process);
    arguments.push_back("~[processes]");
  }
  const int failed = Catch::Session().run(static_cast<int>(arguments.size()), arguments.data());
  const bool none_ran = !tally().reasons.empty() && tally().cases_skipped == tally().cases;
  if (none_ran && (failed == 0 || tally().cases == 0)) return kExitSkipped;
  return failed;
}

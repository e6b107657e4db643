// main() of the Catch2 test programs: Catch2's own, and exit 77 where nothing could run.
#define CATCH_CONFIG_RUNNER
#include <cstdio>
#include <set>
#include <string>

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

}  // namespace

void tutti::skip_test(const std::string& reason) {
  tally().skipping = true;
  if (!tally().reasons.insert(reason).second) return;
  std::printf("skipped: %s\n", reason.c_str());
  std::fflush(stdout);
}

int main(int argc, char** argv) {
  const int failed = Catch::Session().run(argc, argv);
  const bool all_skipped = tally().cases > 0 && tally().cases_skipped == tally().cases;
  return failed == 0 && all_skipped ? kExitSkipped : failed;
}

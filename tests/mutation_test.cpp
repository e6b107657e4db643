// Whether the verifier would notice: every generator's plans are broken in every small way, and
// each mutant must be rejected, or be proven harmless by the brute-force interpreter.
//
// TUTTI_SEED sets the seed of the schedules and TUTTI_MUTATION_SHARE=N takes every N-th mutant only
// (the default depends on the size; 1 takes all), TUTTI_MUTATION_RANKS the greatest size.
#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <tuple>

#include "collectives/verify.h"
#include "collectives/verify/sweep.h"
#include "tests/brute_force.h"
#include "tests/catch.h"
#include "tests/mutants.h"
#include "tests/settings.h"

namespace tutti::test {
namespace {

struct Counts {
  std::uint64_t mutants = 0, killed = 0, equivalent = 0, surviving = 0;
  std::uint64_t judged = 0, spared = 0;  // killed ones shown to the judge; those it found harmless

  Counts& operator+=(const Counts& x) {
    mutants += x.mutants, killed += x.killed, equivalent += x.equivalent;
    surviving += x.surviving, judged += x.judged, spared += x.spared;
    return *this;
  }
};

// All mutants of one world's plans, in one form.
class Trial {
 public:
  Trial(const ProofCase& c, std::uint64_t seed, std::uint64_t share)
      : case_(c), random_(seed), share_(share), plans_(plans_of(c)) {
    const auto p = static_cast<std::size_t>(c.size);
    counts_of_cases_ = {{2 * p + 3, 3}, {p + 1, 1}};
  }

  Counts run() {
    REQUIRE(rejected_by_verify().empty());
    REQUIRE(rejected_by_judge(200).empty());
    for (std::size_t r = 0; r < plans_.size(); ++r) {
      const Plan original = plans_[r];
      for_each_mutant(original, [&](std::string_view kind, std::uint32_t step, const Plan& mutant) {
        if (share_ > 1 && random_() % share_ != 0) return;
        plans_[r] = mutant;
        judge(r, kind, step);
      });
      plans_[r] = original;
    }
    return counts_;
  }

 private:
  void judge(std::size_t rank, std::string_view kind, std::uint32_t step) {
    ++counts_.mutants;
    if (!rejected_by_verify().empty()) {
      ++counts_.killed;
      if (random_() % 64 != 0) return;
      ++counts_.judged;  // how often the verifier is stricter than need be: a sample
      if (rejected_by_judge(50).empty()) ++counts_.spared;
      return;
    }
    const std::string wrong = rejected_by_judge(200);
    if (wrong.empty()) {
      ++counts_.equivalent;
      return;
    }
    ++counts_.surviving;
    UNSCOPED_INFO(case_.name() << ": rank " << rank << " step " << step << ": " << kind
                               << " is accepted, but: " << wrong);
    CHECK(wrong.empty());
  }

  std::string rejected_by_verify() const {
    for (const auto& [count, trips] : counts_of_cases_) {
      const Verdict verdict = verify(plans_, {.collective = case_.variant.algorithm->collective,
                                              .root = case_.root,
                                              .count = count,
                                              .trips = trips,
                                              .pre_scaled = case_.pre_scaled});
      if (!verdict.ok()) return verdict.fault;
    }
    return "";
  }

  std::string rejected_by_judge(int schedules) {
    for (const auto& [count, trips] : counts_of_cases_) {
      const std::string wrong =
          brute_force(plans_, {.collective = case_.variant.algorithm->collective,
                               .root = case_.root,
                               .count = count,
                               .trips = trips,
                               .pre_scaled = case_.pre_scaled,
                               .schedules = schedules,
                               .seed = random_()});
      if (!wrong.empty()) return wrong;
    }
    return "";
  }

  const ProofCase case_;
  std::mt19937_64 random_;
  const std::uint64_t share_;
  std::vector<Plan> plans_;
  std::vector<std::pair<std::size_t, std::uint32_t>> counts_of_cases_;  // (count, T)
  Counts counts_;
};

void print(const std::string& name, const Counts& c) {
  std::printf("%-30s %8lu %8lu %10lu %9lu\n", name.c_str(), c.mutants, c.killed, c.equivalent,
              c.surviving);
}

}  // namespace

TEST_CASE("no mutant of any generator's plan is accepted unless it does no harm") {
  const std::uint64_t seed = setting("TUTTI_SEED", 1);
  const std::uint64_t share = setting("TUTTI_MUTATION_SHARE", 0);
  const auto most = static_cast<int>(setting("TUTTI_MUTATION_RANKS", 8));
  std::printf("seed %lu (TUTTI_SEED)\n", seed);
  std::printf("%-30s %8s %8s %10s %9s\n", "", "mutants", "killed", "equivalent", "surviving");
  Counts all;
  for (int c = 0; c < kCollectives; ++c) {
    std::map<std::string, Counts> by_name;
    for (const int size : {2, 3, 4, 5, 8}) {
      if (size > most) continue;
      for (const Variant& v : variants(static_cast<Collective>(c), size)) {
        for (const Form form : {Form::kOutOfPlace, Form::kInPlace}) {
          const bool in_place = form == Form::kInPlace;
          if (in_place && !traits_of(static_cast<Collective>(c)).has_in_place_form()) continue;
          const ProofCase proof{.variant = v, .size = size, .root = size - 1, .form = form};
          const std::uint64_t every = share != 0 ? share : static_cast<std::uint64_t>(size);
          by_name[v.name()] += Trial(proof, seed, every).run();
        }
      }
    }
    for (const auto& [name, counts] : by_name) {
      print(name, counts);
      all += counts;
    }
  }
  print("all", all);
  std::printf(
      "of %lu rejected ones shown to the brute-force interpreter (50 schedules), it found %lu "
      "harmless\n",
      all.judged, all.spared);
  CHECK(all.surviving == 0);
  CHECK(all.mutants > (share == 0 ? 1000 : 0));
}

}  // namespace tutti::test

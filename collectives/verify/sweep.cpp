#include "collectives/verify/sweep.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <sstream>
#include <thread>

#include "collectives/hash.h"
#include "kernels/error.h"

namespace tutti {
namespace {

constexpr Form kForms[] = {Form::kOutOfPlace, Form::kInPlace, Form::kMixed};

// What one thread proves in one go: all cases of an algorithm at one size with one root.
struct Job {
  Variant variant;
  int size, root;
  std::size_t row;
};

std::uint64_t seed_of(const Sweep& sweep, const Job& job) {
  std::uint64_t hash = mix(sweep.seed, static_cast<std::uint64_t>(job.size));
  hash = mix(hash, static_cast<std::uint64_t>(job.root));
  for (const char c : job.variant.name()) hash = mix(hash, static_cast<std::uint64_t>(c));
  return hash;
}

std::vector<std::size_t> counts_of(int size) {
  const auto p = static_cast<std::size_t>(size);
  std::vector<std::size_t> counts = {0, 1, p - 1, p, p + 1, 2 * p + 3};
  std::ranges::sort(counts);
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  return counts;
}

std::vector<std::uint32_t> trips_of(const Sweep& sweep) {
  if (sweep.window == 1) return {1, 2, 3};
  return {1, 2, sweep.window + 1, 2 * sweep.window + 1};
}

template <typename T>
T pick(const std::vector<T>& from, std::uint64_t random) {
  return from[random % from.size()];
}

std::vector<ProofCase> sampled_case(const Sweep& sweep, const Job& job) {
  const std::uint64_t s = seed_of(sweep, job);
  const auto size = static_cast<std::uint64_t>(job.size);
  const CollectiveTraits& traits = traits_of(job.variant.algorithm->collective);
  const int root = sweep.root ? job.root : traits.rooted ? static_cast<int>(mix(s, 1) % size) : 0;
  return {{.variant = job.variant,
           .size = job.size,
           .root = root,
           .form = traits.has_in_place_form() ? kForms[mix(s, 2) % 3] : Form::kOutOfPlace,
           .reproducible = traits.reduces && (mix(s, 5) & 1) != 0,
           .count = pick(counts_of(job.size), mix(s, 3)),
           .trips = pick(trips_of(sweep), mix(s, 4)),
           .seed = s}};
}

// Every count, trip count and form; some more with an op that scales first.
std::vector<ProofCase> all_cases(const Sweep& sweep, const Job& job) {
  std::vector<ProofCase> cases;
  const std::uint64_t seed = seed_of(sweep, job);
  const auto add = [&](Form form, bool pre_scaled, bool reproducible) {
    for (const std::size_t count : counts_of(job.size)) {
      for (const std::uint32_t trips : trips_of(sweep)) {
        const bool few = pre_scaled || reproducible;
        if (few && (count <= static_cast<std::size_t>(job.size) || trips == 2)) continue;
        cases.push_back({.variant = job.variant,
                         .size = job.size,
                         .root = job.root,
                         .form = form,
                         .pre_scaled = pre_scaled,
                         .reproducible = reproducible,
                         .count = count,
                         .trips = trips,
                         .seed = seed});
      }
    }
  };
  const Collective collective = job.variant.algorithm->collective;
  for (const Form form : kForms) {
    if (form == Form::kOutOfPlace || traits_of(collective).has_in_place_form())
      add(form, false, false);
  }
  if (traits_of(collective).reduces) {
    add(Form::kOutOfPlace, true, false);
    add(Form::kMixed, true, false);
    add(Form::kOutOfPlace, false, true);
    add(Form::kMixed, true, true);
  }
  return cases;
}

std::string not_done_after(double seconds) {
  std::ostringstream text;
  text << "not done after " << seconds << " s";
  return text.str();
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

bool same_plans(const ProofCase& x, const ProofCase& y) {
  return x.form == y.form && x.pre_scaled == y.pre_scaled && x.reproducible == y.reproducible;
}

SweepRow prove(const Sweep& sweep, const Job& job) {
  SweepRow row;
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<ProofCase> cases =
      sweep.sampled ? sampled_case(sweep, job) : all_cases(sweep, job);
  std::vector<Plan> plans;
  const ProofCase* previous = nullptr;
  // A rank alone combines nothing, and what is not reduced has no order.
  const bool labelled = job.size > 1 && traits_of(job.variant.algorithm->collective).reduces;
  for (const ProofCase& c : cases) {
    if (previous == nullptr || !same_plans(*previous, c)) plans = plans_of(c);
    previous = &c;
    const Verdict verdict = verify(plans, {.collective = job.variant.algorithm->collective,
                                           .root = c.root,
                                           .count = c.count,
                                           .trips = c.trips,
                                           .pre_scaled = c.pre_scaled});
    ++row.cases;
    row.messages += verdict.messages;
    if (labelled && c.count > 0) {
      c.reproducible ? ++row.reproducible : ++row.plain;
      c.reproducible ? row.canonical += verdict.canonical : row.in_order += verdict.in_order;
    }
    if (verdict.ok()) continue;
    if (row.failed++ == 0) row.first_fault = c.name() + ": " + verdict.fault;
  }
  row.seconds = seconds_since(begin);
  return row;
}

// The variants of an algorithm to prove at a size: more shards than are worth choosing from.
std::vector<Variant> variants_to_prove(const Sweep& sweep, const Algorithm& algorithm, int size) {
  std::vector<Variant> found;
  const auto add = [&](const Variant& v) {
    if (v.algorithm == &algorithm && std::ranges::find(found, v) == found.end()) found.push_back(v);
  };
  for (const std::string& name : sweep.algorithms) {
    // A name may be another collective's, or ask for more shards than this size has.
    if (name.substr(0, name.find('/')) != algorithm.name) continue;
    if (name.find('/') != std::string::npos && size <= 2) continue;
    add(variant_named(algorithm.collective, name, size));
  }
  if (!sweep.algorithms.empty()) return found;
  add({&algorithm, 1});
  if (!algorithm.takes_shards) return found;
  for (const int shards : {2, size / 2, size - 1}) {
    if (shards > 1 && shards < size && (!sweep.sampled || shards == 2)) add({&algorithm, shards});
  }
  return found;
}

// Every root, or of many ranks the first, the last and some that the seed picks. A sampled case
// finds its own.
std::vector<int> roots_to_prove(const Sweep& sweep, Collective collective, int size) {
  if (!traits_of(collective).rooted) return {0};
  if (sweep.root) return *sweep.root < size ? std::vector{*sweep.root} : std::vector<int>{};
  if (sweep.sampled) return {0};
  std::vector<int> roots;
  for (int root = 0; root < size; ++root) roots.push_back(root);
  if (size <= kEveryRootUpTo) return roots;
  const auto random = [&](std::uint64_t k) {
    return static_cast<int>(mix(mix(sweep.seed, k), static_cast<std::uint64_t>(size)) %
                            static_cast<std::uint64_t>(size));
  };
  roots = {0, size - 1, random(1), random(2)};
  std::ranges::sort(roots);
  roots.erase(std::unique(roots.begin(), roots.end()), roots.end());
  return roots;
}

void add_jobs(const Sweep& sweep, const Algorithm& a, std::size_t row, std::vector<Job>& jobs) {
  for (const int size : sweep.sizes) {
    const std::vector<int> roots = roots_to_prove(sweep, a.collective, size);
    for (const Variant& v : variants_to_prove(sweep, a, size)) {
      for (const int root : roots) jobs.push_back({v, size, root, row});
    }
  }
}

void add(SweepRow& sum, const SweepRow& more) {
  sum.cases += more.cases;
  sum.messages += more.messages;
  sum.reproducible += more.reproducible;
  sum.canonical += more.canonical;
  sum.plain += more.plain;
  sum.in_order += more.in_order;
  sum.seconds += more.seconds;
  if (sum.failed == 0) sum.first_fault = more.first_fault;
  sum.failed += more.failed;
}

}  // namespace

std::string ProofCase::name() const {
  constexpr const char* kNames[] = {"out of place", "in place", "mixed"};
  std::string text(name_of(variant.algorithm->collective));
  text += " " + variant.name() + ", " + std::to_string(size) + " ranks, ";
  if (traits_of(variant.algorithm->collective).rooted)
    text += "root " + std::to_string(root) + ", ";
  return text + "count " + std::to_string(count) + ", T " + std::to_string(trips) + ", " +
         kNames[static_cast<int>(form)] + (pre_scaled ? ", pre-scaled" : "") +
         (reproducible ? ", reproducible" : "");
}

std::string labels_of(const SweepRow& row) {
  std::string text;
  const auto add = [&](std::uint64_t has, std::uint64_t all, const char* label) {
    if (has == 0) return;
    text += (text.empty() ? "" : ", ") + std::string(label) + (has < all ? " in part" : "");
  };
  add(row.in_order, row.plain, "in-order");
  add(row.canonical, row.reproducible, "canonical");
  return text;
}

std::vector<Plan> plans_of(const ProofCase& c) {
  std::vector<Plan> plans;
  plans.reserve(static_cast<std::size_t>(c.size));
  for (int r = 0; r < c.size; ++r) {
    const bool coin = (mix(c.seed, static_cast<std::uint64_t>(r)) & 1) != 0;
    plans.push_back(make_plan(
        c.variant, {.rank = r,
                    .size = c.size,
                    .root = c.root,
                    .in_place = c.form == Form::kInPlace || (c.form == Form::kMixed && coin),
                    .pre_scaled = c.pre_scaled,
                    .reproducible = c.reproducible}));
  }
  return plans;
}

void check_sweep(const Sweep& sweep) {
  const int most = *std::ranges::max_element(sweep.sizes);
  if (static_cast<std::size_t>(most) > kMaxVerifiedRanks)
    throw Error(TUTTI_INVALID, "verify: " + std::to_string(most) + " ranks; at most " +
                                   std::to_string(kMaxVerifiedRanks) + " can be verified");
  for (const std::string& name : sweep.algorithms) {
    std::string reason;
    const bool known = std::ranges::any_of(sweep.collectives, [&](Collective c) {
      try {
        variant_named(c, name, most);
        return true;
      } catch (const Error& e) {
        if (reason.empty()) reason = e.what();
        return false;
      }
    });
    if (!known) throw Error(TUTTI_NOT_FOUND, reason);
  }
}

std::vector<SweepRow> run_sweep(const Sweep& sweep,
                                const std::function<void(std::size_t, std::size_t)>& progress) {
  if (sweep.sizes.empty()) return {};
  check_sweep(sweep);
  std::vector<SweepRow> rows;
  std::vector<Job> jobs;
  for (const Algorithm& a : algorithms()) {
    if (std::ranges::find(sweep.collectives, a.collective) == sweep.collectives.end()) continue;
    const std::size_t before = jobs.size();
    add_jobs(sweep, a, rows.size(), jobs);
    if (jobs.size() > before)
      rows.push_back(
          {.collective = a.collective, .algorithm = std::string(a.name), .first_fault = ""});
  }
  std::ranges::stable_sort(jobs, std::ranges::greater{}, &Job::size);  // the longest first

  const auto begin = std::chrono::steady_clock::now();
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;  // guards rows, done and failure
  std::size_t done = 0;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      // relaxed: only the number matters, what is found is joined under the mutex
      for (std::size_t k; (k = next.fetch_add(1, std::memory_order_relaxed)) < jobs.size();) {
        const SweepRow found = prove(sweep, jobs[k]);
        const std::lock_guard lock(mutex);
        add(rows[jobs[k].row], found);
        progress(++done, jobs.size());
        if (sweep.timeout_s > 0 && seconds_since(begin) > sweep.timeout_s && done < jobs.size())
          throw Error(TUTTI_TIMEOUT, not_done_after(sweep.timeout_s));
      }
    } catch (...) {
      next.store(jobs.size(), std::memory_order_relaxed);
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int t = 1; t < sweep.threads; ++t) threads.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  return rows;
}

std::vector<int> special_sizes(int most) {
  std::vector<int> sizes;
  for (int n = 2; n <= most; ++n) {
    bool prime = true;
    for (int d = 2; d * d <= n && prime; ++d) prime = n % d != 0;
    const auto power = [](int x) { return x > 0 && (x & (x - 1)) == 0; };
    if (prime || power(n) || power(n - 1) || power(n + 1)) sizes.push_back(n);
  }
  return sizes;
}

}  // namespace tutti

// Proves every generator over sizes, roots, counts, trip counts and forms.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "collectives/algorithms.h"
#include "collectives/verify.h"

namespace tutti {

/// Output out of place, in place, or each rank as a coin says.
enum class Form : std::uint8_t { kOutOfPlace, kInPlace, kMixed };

/// One collective to be proven.
struct ProofCase {
  Variant variant;
  int size = 1;
  int root = 0;
  Form form = Form::kOutOfPlace;
  bool pre_scaled = false;
  bool reproducible = false;
  std::size_t count = 0;
  std::uint32_t trips = 1;
  std::uint64_t seed = 0;  // of the coins in kMixed

  std::string name() const;
};

/// The plans of all ranks of a case; count and trips do not matter to them.
std::vector<Plan> plans_of(const ProofCase& c);

/// Of more ranks the first, the last and two roots that the seed picks are proven.
inline constexpr int kEveryRootUpTo = 17;

struct Sweep {
  std::vector<int> sizes;
  std::vector<Collective> collectives = all_collectives();
  // Names; empty: all, with more shards than variants() lists.
  std::vector<std::string> algorithms{};
  std::optional<int> root{};  // of what has one; none: every root, of many ranks some
  // One seeded root, count, trip count and form a size; of millions of messages a tile, few tiles.
  bool sampled = false;
  std::uint64_t seed = 1;
  int threads = 2;
  double timeout_s = 0;       // 0: none
  std::uint32_t window = 16;  // W of shared memory: trip counts are 1, 2, W+1 and 2W+1
};

struct SweepRow {
  Collective collective{};
  std::string algorithm;
  std::uint64_t cases = 0, messages = 0, failed = 0;
  // Of the cases that are to be reproducible, and of the others: how many there are, and in how
  // many the operands combine in the canonical tree, or in rank order.
  std::uint64_t reproducible = 0, canonical = 0, plain = 0, in_order = 0;
  double seconds = 0;       // of all threads together
  std::string first_fault;  // the case and what is wrong with it
};

/// "in-order, canonical", each "in part" where only some cases are; empty: neither, or nothing is
/// reduced.
std::string labels_of(const SweepRow& row);

/// Throws TUTTI_NOT_FOUND for an unknown algorithm, TUTTI_INVALID for a size that is too large.
void check_sweep(const Sweep& sweep);

/// A row per algorithm, in the table's order. `progress` hears of (done, all) jobs from one thread
/// at a time. Throws as check_sweep(), and TUTTI_TIMEOUT.
std::vector<SweepRow> run_sweep(const Sweep& sweep,
                                const std::function<void(std::size_t, std::size_t)>& progress);

/// Powers of two up to `most`, their neighbours, and all primes: sizes where something may be
/// special.
std::vector<int> special_sizes(int most);

}  // namespace tutti

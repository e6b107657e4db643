#include "perf/limit.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <limits>
#include <system_error>
#include <thread>
#include <utility>

#include "perf/clock.h"
#include "perf/relax.h"

namespace tutti {
namespace {

std::size_t round_up(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

/// Share `index` of `blocks` blocks dealt to `shares` threads, in elements.
std::pair<std::size_t, std::size_t> share_of(std::size_t blocks, std::size_t index,
                                             std::size_t shares) {
  return {blocks * index / shares * kLimitBlock, blocks * (index + 1) / shares * kLimitBlock};
}

/// A collective's traffic as passes over the size: so many streams in, so many out, and how often.
struct Flow {
  std::size_t inputs = 1, outputs = 1, passes = 1;
};

Flow flow_of(const CollectiveName& collective, std::size_t ranks) {
  switch (collective.value) {
    case TUTTI_ALL_REDUCE:
      return {ranks, ranks, 1};
    case TUTTI_REDUCE:
    case TUTTI_REDUCE_SCATTER:
      return {ranks, 1, 1};
    case TUTTI_BROADCAST:
    case TUTTI_ALL_GATHER:
      return {1, ranks, 1};
    case TUTTI_ALL_TO_ALL:
    case TUTTI_SCAN:
    case TUTTI_EXCLUSIVE_SCAN:
      return {1, 1, ranks};
    default:
      return {};
  }
}

}  // namespace

/// Anonymous memory on huge pages where the system gives them, touched.
class LimitMeter::Arena {
 public:
  explicit Arena(std::size_t bytes) : bytes_(round_up(bytes, kHugePage)) {
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED)
      throw std::system_error(errno, std::generic_category(), "no memory to measure the limit");
    madvise(memory_, bytes_, MADV_HUGEPAGE);
    std::ranges::fill(std::span(static_cast<float*>(memory_), bytes_ / sizeof(float)), 1.0F);
  }
  ~Arena() { munmap(memory_, bytes_); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::size_t bytes() const { return bytes_; }
  float* at(std::size_t offset) const {
    return static_cast<float*>(memory_) + offset / sizeof(float);
  }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const std::size_t bytes_;
  void* memory_;
};

struct LimitMeter::Work {
  std::vector<const float*> inputs;
  std::vector<float*> outputs;
  std::size_t blocks = 0;
};

LimitMeter::LimitMeter(CpuList cpus, std::size_t most_bytes)
    : cpus_(std::move(cpus)), most_bytes_(most_bytes) {}

LimitMeter::~LimitMeter() = default;

LimitMeter::Work LimitMeter::lay_out(const LimitCase& of, std::size_t bytes) {
  // A line between the buffers keeps powers of two from falling into one set of the cache.
  constexpr std::size_t kGap = 320;
  const std::size_t stride = round_up(bytes, kLimitBlock * sizeof(float)) + kGap;
  const auto ranks = static_cast<std::size_t>(of.ranks);
  if (!arena_ || arena_->bytes() < 2 * ranks * stride) {
    arena_.reset();
    arena_ = std::make_unique<Arena>(2 * ranks * stride);
  }
  Work work;
  work.blocks = round_up(bytes, kLimitBlock * sizeof(float)) / (kLimitBlock * sizeof(float));
  const Flow flow = flow_of(*of.collective, ranks);
  for (std::size_t k = 0; k < flow.inputs; ++k) work.inputs.push_back(arena_->at(k * stride));
  const std::size_t first_output = of.in_place ? 0 : ranks;
  const bool owner_keeps_its_own = of.in_place && !of.collective->reduces && flow.outputs > 1;
  for (std::size_t k = owner_keeps_its_own ? 1 : 0; k < flow.outputs; ++k)
    work.outputs.push_back(arena_->at((first_output + k) * stride));
  return work;
}

/// All threads start together; the slowest ends the time.
double LimitMeter::timed_s(const Work& work, Store store, int passes) const {
  std::atomic<std::size_t> waiting{0};
  std::vector<double> taken(cpus_.size());
  const auto take_share = [&](std::size_t index) {
    const PinnedHere pinned(cpus_[index]);
    const auto [first, last] = share_of(work.blocks, index, cpus_.size());
    waiting.fetch_add(1, std::memory_order_acq_rel);
    while (waiting.load(std::memory_order_acquire) < cpus_.size()) relax_core();
    const auto start = Clock::now();
    for (int pass = 0; pass < passes; ++pass)
      limit_pass(work.inputs, work.outputs, first, last, store);
    taken[index] = seconds_since(start) / passes;
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t index = 1; index < cpus_.size(); ++index)
      helpers.emplace_back(take_share, index);
    take_share(0);
  }
  return *std::ranges::max_element(taken);
}

double LimitMeter::best_s(const Work& work) const {
  constexpr double kSampleS = 0.002;
  constexpr int kSamples = 5;
  constexpr int kMostPasses = 100'000;
  double best = std::numeric_limits<double>::infinity();
  for (const Store store : {Store::kCached, Store::kStreaming}) {
    if (store == Store::kStreaming && !has_streaming_stores()) continue;
    timed_s(work, store, 1);  // warms
    const double once = timed_s(work, store, 1);
    best = std::min(best, once);
    if (once > 2 * best) continue;  // no hope for this kind of store
    const int passes = static_cast<int>(std::clamp(kSampleS / once, 1.0, double{kMostPasses}));
    for (int sample = 0; sample < kSamples; ++sample)
      best = std::min(best, timed_s(work, store, passes));
  }
  return best;
}

double LimitMeter::traffic_s(const LimitCase& of) {
  if (!of.collective->moves_data() || of.bytes == 0) return 0;
  const std::size_t most = most_bytes_ / (2 * static_cast<std::size_t>(of.ranks));
  const std::size_t bytes = std::min(of.bytes, std::max<std::size_t>(most, 1 << 20));
  const Work work = lay_out(of, bytes);
  if (work.outputs.empty()) return 0;
  const auto ranks = static_cast<double>(of.ranks);
  const Flow flow = flow_of(*of.collective, static_cast<std::size_t>(of.ranks));
  double share = static_cast<double>(flow.passes);
  // Of what moves from block to block in place, each rank's own block stays.
  if (of.in_place && !of.collective->reduces && flow.outputs == 1) share *= (ranks - 1) / ranks;
  return best_s(work) * share * static_cast<double>(of.bytes) / static_cast<double>(bytes);
}

double limit_s(double traffic_s, int ranks, std::optional<double> line_ns) {
  const double crossing_s = ranks > 1 && line_ns ? *line_ns / 2 * 1e-9 : 0;
  return std::max(traffic_s, crossing_s);
}

}  // namespace tutti

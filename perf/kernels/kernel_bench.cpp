// The kernels' bandwidth beside this core's own memcpy and triad, where all arrays together fit the
// second level cache, the third, or neither. Bytes are those read and written; the lines that
// ordinary stores read first are not counted, for the triad neither. The cells run interleaved in
// random order and the table at the end is of medians, because the machine moves under the
// measurement. Takes Google Benchmark's options, e.g. --benchmark_filter=L2.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/reduce.h"
#include "perf/kernels/triad.h"

namespace tutti {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kPageBytes = 4096;
constexpr double kGoal = 0.8;  // of the triad with the same stores, for a sum of two f32 arrays

struct Level {
  std::string name;
  std::size_t bytes;  // of all arrays together
};

// The size of this core's share of a cache level, e.g. "1024K". (sysconf() adds up all that a
// package has of the third level.)
std::size_t cache_bytes(int level, std::size_t otherwise) {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(level) + "/size");
  std::size_t kibibytes = 0;
  return file >> kibibytes && kibibytes > 0 ? kibibytes * 1024 : otherwise;
}

// Half of the second level; a quarter of the third, which other cores may share; four times it.
std::vector<Level> levels() {
  const std::size_t l2 = cache_bytes(2, kMiB);
  const std::size_t l3 = cache_bytes(3, 32 * kMiB);
  return {{"L2", l2 / 2},
          {"L3", std::max(3 * l2, l3 / 4)},
          {"DRAM", std::clamp(4 * l3, 64 * kMiB, 512 * kMiB)}};
}

// The arrays of a cell in one allocation, each a few lines further into its pages than the one
// before, so that they do not compete for the same sets of a cache.
class Arrays {
 public:
  Arrays(const Level& level, std::size_t arrays)
      : bytes_(level.bytes / arrays / kPageBytes * kPageBytes),
        pitch_(bytes_ + kPageBytes + std::size_t{5} * 64),
        room_((arrays * pitch_ / kPageBytes + 1) * kPageBytes),
        data_(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, room_)), std::free) {
    std::memset(data_.get(), 0, room_);
  }

  std::byte* operator[](std::size_t i) const { return data_.get() + i * pitch_; }
  std::size_t bytes() const { return bytes_; }

 private:
  const std::size_t bytes_;  // of one array
  const std::size_t pitch_;
  const std::size_t room_;
  const std::unique_ptr<std::byte, void (*)(void*)> data_;
};

// What is measured: one call over `arrays` arrays, the first of which is written.
struct Cell {
  std::string name;
  std::size_t arrays;
  std::function<void(const Arrays&)> call;
};

Cell triad_cell(Stores stores) {
  const bool streaming = stores == Stores::kStreaming;
  return {streaming ? "triad streaming" : "triad", 3, [stores](const Arrays& arrays) {
            triad(reinterpret_cast<float*>(arrays[0]), reinterpret_cast<const float*>(arrays[1]),
                  reinterpret_cast<const float*>(arrays[2]), 3.0F, arrays.bytes() / sizeof(float),
                  stores);
          }};
}

struct Sum {
  Dtype dtype = Dtype::kF32;
  ReduceShape shape = ReduceShape::kFold;
  std::size_t k = 2;
  Stores stores = Stores::kCached;
  std::uint32_t divisor = 1;
};

std::string name_of(const Sum& sum) {
  return std::string(name_of(sum.dtype)) + (sum.divisor == 1 ? " sum" : " avg") +
         " k=" + std::to_string(sum.k) + (sum.shape == ReduceShape::kFold ? "" : " balanced") +
         (sum.stores == Stores::kStreaming ? " streaming" : "");
}

Cell sum_cell(const Sum& sum) {
  const ReduceKernel kernel = reduce_kernel(sum.dtype, Combine::kSum, sum.shape);
  return {name_of(sum), sum.k + 1, [sum, kernel](const Arrays& arrays) {
            const void* sources[16] = {};
            for (std::size_t s = 0; s < sum.k; ++s) sources[s] = arrays[s + 1];
            kernel(arrays[0], sources, sum.k, arrays.bytes() / size_of(sum.dtype), {sum.divisor},
                   sum.stores);
          }};
}

std::vector<Cell> cells() {
  constexpr auto kBalanced = ReduceShape::kBalanced;
  constexpr auto kStreaming = Stores::kStreaming;
  std::vector<Cell> cells = {
      triad_cell(Stores::kCached),
      triad_cell(kStreaming),
      {"memcpy", 2, [](const Arrays& a) { std::memcpy(a[0], a[1], a.bytes()); }},
      {"copy_bytes streaming", 2,
       [](const Arrays& a) { copy_bytes(a[0], a[1], a.bytes(), kStreaming); }}};
  const Sum sums[] = {{},
                      {.stores = kStreaming},
                      {.k = 4},
                      {.k = 8},
                      {.k = 8, .stores = kStreaming},
                      {.shape = kBalanced, .k = 8},
                      {.divisor = 3},
                      {.dtype = Dtype::kF64},
                      {.dtype = Dtype::kF16},
                      {.dtype = Dtype::kBF16},
                      {.dtype = Dtype::kF8E4M3},
                      {.dtype = Dtype::kF8E5M2},
                      {.dtype = Dtype::kI8},
                      {.dtype = Dtype::kI32},
                      {.dtype = Dtype::kI32, .divisor = 3},
                      {.dtype = Dtype::kI64},
                      {.dtype = Dtype::kI64, .divisor = 3}};
  for (const Sum& sum : sums) cells.push_back(sum_cell(sum));
  return cells;
}

void run(benchmark::State& state, const Cell& cell, const Level& level) {
  const Arrays arrays(level, cell.arrays);
  for ([[maybe_unused]] auto _ : state) {  // NOLINT(clang-analyzer-deadcode.DeadStores)
    cell.call(arrays);
    benchmark::ClobberMemory();
  }
  const auto bytes = static_cast<std::int64_t>(cell.arrays * arrays.bytes());
  state.SetBytesProcessed(state.iterations() * bytes);
}

// How long the shortest calls take: `count` f32 of two sources.
void run_short(benchmark::State& state, std::size_t count) {
  const std::vector<float> a(count, 1.0F), b(count, 2.0F);
  std::vector<float> dst(count);
  const void* const sources[] = {a.data(), b.data()};
  const ReduceKernel kernel = reduce_kernel(Dtype::kF32, Combine::kSum, ReduceShape::kFold);
  for ([[maybe_unused]] auto _ : state) {  // NOLINT(clang-analyzer-deadcode.DeadStores)
    kernel(dst.data(), sources, 2, count, Finish(), Stores::kCached);
    benchmark::ClobberMemory();
  }
}

// Prints what Google Benchmark prints, and keeps the medians.
class Medians : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    benchmark::ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      const auto rate = run.counters.find("bytes_per_second");
      if (run.aggregate_name != "median" || rate == run.counters.end()) continue;
      gigabytes_per_s_[run.run_name.function_name] = rate->second.value / 1e9;
    }
  }

  // GB/s of a cell at a level; 0 if it has not run.
  double operator()(const std::string& cell, const Level& level) const {
    const auto found = gigabytes_per_s_.find(cell + "/" + level.name);
    return found == gigabytes_per_s_.end() ? 0 : found->second;
  }

 private:
  std::map<std::string, double> gigabytes_per_s_;
};

void print_table(const Medians& medians, const std::vector<Cell>& all) {
  std::printf("\n%s, median GB/s and share of the triad with the same stores\n", simd_target());
  std::printf("%-28s", "");
  for (const Level& level : levels()) {
    std::printf("%8s %4zu KiB", level.name.c_str(), level.bytes / 1024);
  }
  std::printf("\n");
  for (const Cell& cell : all) {
    std::printf("%-28s", cell.name.c_str());
    const bool streaming = cell.name.ends_with("streaming");
    for (const Level& level : levels()) {
      const double triad = medians(streaming ? "triad streaming" : "triad", level);
      const double own = medians(cell.name, level);
      std::printf("%9.1f %5.2f  ", own, triad > 0 ? own / triad : 0);
    }
    std::printf("\n");
  }
  std::printf("goal: f32 sum k=2 at least %.1f, with both kinds of stores\n", kGoal);
}

}  // namespace
}  // namespace tutti

int main(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  std::string defaults[] = {"--benchmark_enable_random_interleaving=true",
                            "--benchmark_repetitions=9", "--benchmark_min_time=0.02",
                            "--benchmark_report_aggregates_only=true"};
  for (std::string& option : defaults) arguments.insert(arguments.begin() + 1, option.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  const std::vector<tutti::Cell> all = tutti::cells();
  for (const tutti::Level& level : tutti::levels()) {
    for (const tutti::Cell& cell : all) {
      benchmark::RegisterBenchmark((cell.name + "/" + level.name).c_str(), tutti::run, cell, level);
    }
  }
  for (const std::size_t elements : {1ul, 2ul, 16ul, 100ul, 1000ul}) {
    const std::string name = "short f32 sum k=2 count=" + std::to_string(elements);
    benchmark::RegisterBenchmark(name.c_str(), tutti::run_short, elements);
  }
  tutti::Medians medians;
  benchmark::RunSpecifiedBenchmarks(&medians);
  tutti::print_table(medians, all);
}

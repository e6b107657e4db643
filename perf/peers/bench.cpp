// One library's ranks, measured on command. Linked with one backend.
//
//   bench PAGE-FILE        an empty file: the ranks' shared page (perf/board.h)
//
// Rank 0 reads commands and answers with a line each; between commands all ranks sleep, so that
// many benches can take turns on one machine.
//
//   prepare OPERATION KIND BYTES     arrays of memory KIND (page: ordinary, on small pages; reg:
//                          what the library likes best), and a verified call   -> prepared WRONG
//   turn SECONDS           a measurement that takes about that long   -> turn LOOP_US CALL_US CALLS
//                                                                        SAMPLES LINE_NS LINE_NS
//   release                a verified call, and the arrays go         -> released WRONG
//   quit
//
// LOOP_US: calls back to back, divided by their number; the median of five batches. CALL_US: the
// median of calls timed alone. Both are the slowest rank's. LINE_NS: a cache line there and back,
// before and after. WRONG: elements, over all ranks.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "perf/board.h"
#include "perf/line_probe.h"
#include "perf/peers/backend.h"
#include "perf/statistics.h"

namespace tutti {
namespace {

double now_s() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

enum class Action { kPrepare, kTurn, kRelease, kQuit };

struct Command {
  Action action = Action::kQuit;
  Operation operation = Operation::kAllReduce;
  bool registered = false;
  std::size_t bytes = 0;
  double seconds = 0;
};

Operation operation_named(const std::string& name) {
  constexpr const char* kNames[] = {"all_reduce", "broadcast",  "reduce_scatter",
                                    "all_gather", "all_to_all", "ping_pong"};
  const auto found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) throw std::runtime_error("no operation is called " + name);
  return static_cast<Operation>(found - kNames);
}

Command read_command() {
  Command command;
  std::string line, word, operation, kind;
  if (!std::getline(std::cin, line)) return command;
  std::istringstream words(line);
  words >> word;
  if (word == "prepare" && words >> operation >> kind >> command.bytes) {
    command.action = Action::kPrepare;
    command.operation = operation_named(operation);
    command.registered = kind == "reg";
  } else if (word == "turn" && words >> command.seconds) {
    command.action = Action::kTurn;
  } else if (word == "release") {
    command.action = Action::kRelease;
  }
  return command;
}

/// An array of either kind of memory.
class Array {
 public:
  Array(Backend& backend, bool registered, std::size_t bytes)
      : backend_(backend), registered_(registered), bytes_(bytes) {
    memory_ = registered_ ? backend_.allocate(bytes_) : map_pages(bytes_);
  }
  ~Array() {
    if (registered_)
      backend_.give_back(memory_);
    else
      munmap(memory_, bytes_);
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  float* floats() const { return reinterpret_cast<float*>(memory_); }
  std::size_t count() const { return bytes_ / sizeof(float); }

 private:
  static std::byte* map_pages(std::size_t bytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no memory for an array");
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    return static_cast<std::byte*>(memory);
  }

  Backend& backend_;
  const bool registered_;
  const std::size_t bytes_;
  std::byte* memory_;
};

/// Small integers, different on every rank: each sum is exact, so there is one right answer.
float input_value(int rank, std::size_t index) {
  constexpr std::size_t kPeriod = 1021;
  return static_cast<float>((index + 7 * static_cast<std::size_t>(rank)) % kPeriod);
}

class Bench {
 public:
  Bench(Backend& backend, const std::string& page)
      : backend_(backend), board_(Board::open(page, backend.ranks())) {
    const bool crowded = backend_.ranks() > sysconf(_SC_NPROCESSORS_ONLN);
    board_.configure(backend_.rank(), crowded, std::chrono::hours(2));
    board_.meet_asleep();
    say("ready", {static_cast<double>(backend_.ranks())});
  }

  /// Obeys commands until there are no more.
  void run() {
    for (;;) {
      Command mine;
      if (backend_.rank() == 0) mine = read_command();
      board_.meet_asleep();
      const Command command = board_.agree(mine);
      switch (command.action) {
        case Action::kPrepare:
          prepare(command);
          break;
        case Action::kTurn:
          take_turn(command.seconds);
          break;
        case Action::kRelease:
          release();
          break;
        case Action::kQuit:
          return;
      }
    }
  }

 private:
  void say(const char* word, const std::vector<double>& numbers) const {
    if (backend_.rank() != 0) return;
    std::cout << word;
    for (const double number : numbers) std::cout << ' ' << number;
    std::cout << std::endl;
  }

  void call() { backend_.call(operation_, in_->floats(), out_->floats(), in_->count()); }

  static float sum(int ranks, std::size_t i) {
    float sum = 0;
    for (int rank = 0; rank < ranks; ++rank) sum += input_value(rank, i);
    return sum;
  }

  /// Elements that a call leaves in this rank's output.
  std::size_t results() const {
    const bool idle =
        operation_ == Operation::kBroadcast ? backend_.rank() == 0 : backend_.rank() > 1;
    switch (operation_) {
      case Operation::kReduceScatter:
        return in_->count() / static_cast<std::size_t>(backend_.ranks());
      case Operation::kBroadcast:
      case Operation::kPingPong:
        return idle ? 0 : in_->count();
      default:
        return in_->count();
    }
  }

  float expected(std::size_t i) const {
    const std::size_t block = in_->count() / static_cast<std::size_t>(backend_.ranks());
    const std::size_t own = block * static_cast<std::size_t>(backend_.rank());
    switch (operation_) {
      case Operation::kAllReduce:
        return sum(backend_.ranks(), i);
      case Operation::kBroadcast:
        return input_value(0, i);
      case Operation::kReduceScatter:
        return sum(backend_.ranks(), own + i);
      case Operation::kAllGather:
        return input_value(static_cast<int>(i / block), i % block);
      case Operation::kAllToAll:
        return input_value(static_cast<int>(i / block), own + i % block);
      case Operation::kPingPong:
        return input_value(1 - backend_.rank(), i);
    }
    return 0;
  }

  /// One call into an output full of junk; the wrong elements of all ranks.
  double verified_call() {
    std::memset(out_->floats(), 0xa5, out_->count() * sizeof(float));
    board_.meet();
    call();
    double wrong = 0;
    for (std::size_t i = 0; i < results(); ++i) wrong += out_->floats()[i] != expected(i) ? 1 : 0;
    const std::vector<double> by_rank = board_.gather(wrong);
    wrong = 0;
    for (const double here : by_rank) wrong += here;
    return wrong;
  }

  void prepare(const Command& command) {
    operation_ = command.operation;
    in_.emplace(backend_, command.registered, command.bytes);
    out_.emplace(backend_, command.registered, command.bytes);
    for (std::size_t i = 0; i < in_->count(); ++i)
      in_->floats()[i] = input_value(backend_.rank(), i);
    say("prepared", {verified_call()});
  }

  void release() {
    const double wrong = verified_call();
    in_.reset();
    out_.reset();
    say("released", {wrong});
  }

  /// Seconds per call, the slowest rank's, of calls back to back.
  double loop_s(int calls) {
    board_.meet();
    const double start = now_s();
    for (int i = 0; i < calls; ++i) call();
    return combine_ranks(board_.gather((now_s() - start) / calls), Average::kMax);
  }

  /// The median over samples of the slowest rank's time of a call that is timed alone.
  double single_call_s(int samples) {
    const auto mine = board_.samples(backend_.rank());
    const auto number = static_cast<std::size_t>(samples);
    for (std::size_t i = 0; i < number; ++i) {
      board_.meet();
      const double start = now_s();
      call();
      mine[i] = now_s() - start;
    }
    board_.meet();
    std::vector<double> slowest(number, 0);
    for (int rank = 0; rank < backend_.ranks(); ++rank)
      for (std::size_t i = 0; i < number; ++i)
        slowest[i] = std::max(slowest[i], board_.samples(rank)[i]);
    board_.meet();
    return median(slowest);
  }

  void take_turn(double seconds) {
    constexpr int kWarmUp = 3;
    constexpr int kBatches = 5;
    constexpr double kMostCalls = 1e6;
    const double before_ns = probe_line(board_, backend_.rank(), cpus_).value_or(0);
    loop_s(kWarmUp);
    const double call_s = board_.agree(loop_s(kWarmUp));
    const int calls =
        static_cast<int>(std::clamp(seconds / 2 / kBatches / call_s, 1.0, kMostCalls));
    const int samples = static_cast<int>(
        std::clamp(seconds / 2 / (call_s + 1e-6), 1.0, static_cast<double>(kBoardSamples)));
    std::vector<double> loops_s;
    for (int batch = 0; batch < kBatches; ++batch) loops_s.push_back(loop_s(calls));
    const double loop = median(loops_s);
    const double single = single_call_s(samples);
    const double after_ns = probe_line(board_, backend_.rank(), cpus_).value_or(0);
    say("turn", {loop * 1e6, single * 1e6, static_cast<double>(calls), static_cast<double>(samples),
                 before_ns, after_ns});
  }

  Backend& backend_;
  Board board_;
  const CpuList cpus_{0, 1};  // between which the line is passed
  Operation operation_ = Operation::kAllReduce;
  std::optional<Array> in_, out_;
};

}  // namespace
}  // namespace tutti

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench PAGE-FILE\n");
    return 2;
  }
  try {
    const auto backend = tutti::join_world();
    tutti::Bench(*backend, argv[1]).run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 1;
  }
}

// Random calls, made by Tutti and by MPI, and compared. Run by tests/mpi_comparison_test.py.
//
//   mpirun … mpi_comparison SEED CALLS              until that many calls have been made
//   mpirun … mpi_comparison SEED CALLS FIRST LAST   these steps alone, as the seed makes them
//
// A step is one to four calls, made in one of the forms that the API has. Ranks agree about what
// they draw without a word: it depends on the seed and the step alone. A difference ends the job,
// with status 1, after a line that tells the call and how to repeat it.
#include <mpi.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/mpi_comparison/trial.h"

namespace {

using namespace tutti::test;

enum class Form { kBlocking, kRequests, kPersistent, kGroup, kGroupWithRequest };
constexpr const char* kFormNames[] = {"blocking", "with requests", "persistent", "in a group",
                                      "in a group with a request"};
constexpr std::uint64_t kStepsOfAnEpoch = 40;
constexpr int kMostCallsOfAStep = 4;

using Trials = std::vector<std::unique_ptr<Trial>>;
using Requests = std::vector<tutti_request*>;

// What a random number is for: the third word of its purpose, after seed and step.
enum Purpose : std::uint64_t { kForm, kCall, kAgain, kGroup, kBuffers, kElements, kWaits };

/// Waits for all, in one of the ways that there are: this rank's own affair.
void settle(Requests requests, Random random, const tutti_comm* comm) {
  const int way = random.below(4);
  for (std::size_t i = requests.size(); i > 1; --i)
    std::swap(requests[i - 1], requests[random.below(i)]);
  if (way == 0) return require(tutti_wait_all(requests.data(), requests.size()), comm);
  std::erase(requests, nullptr);
  while (!requests.empty()) {
    std::size_t index = random.below(requests.size());
    std::int32_t done = 1;
    if (way == 1) require(tutti_wait_any(requests.data(), requests.size(), &index), comm);
    if (way == 2) require(tutti_wait(requests[index]), comm);
    if (way == 3) require(tutti_test(requests[index], &done), comm);
    if (done != 0) requests.erase(requests.begin() + static_cast<std::ptrdiff_t>(index));
    if (done == 0) std::this_thread::yield();
  }
}

void check_all(const Trials& trials) {
  for (const auto& trial : trials) trial->check();
}

void make_blocking(const Trials& trials) {
  for (const auto& trial : trials) trial->start();
}

void make_with_requests(const Trials& trials, Random random, const tutti_comm* comm) {
  Requests requests(trials.size());
  for (std::size_t i = 0; i < trials.size(); ++i) trials[i]->start(&requests[i]);
  settle(requests, random, comm);
}

/// Twice, with the buffers as they were before the first time.
void make_persistent(const Trials& trials, Random random, const tutti_comm* comm) {
  Requests requests(trials.size());
  for (std::size_t i = 0; i < trials.size(); ++i) trials[i]->start(&requests[i], true);
  std::erase(requests, nullptr);
  for (const bool again : {false, true}) {
    for (tutti_request* const request : requests) require(tutti_request_start(request), comm);
    settle(requests, random, comm);
    if (again) break;
    check_all(trials);
    for (const auto& trial : trials) trial->rewind();
  }
  for (tutti_request* const request : requests) require(tutti_request_free(request), comm);
}

void make_group(const Trials& trials, bool with_request, tutti_comm* comm) {
  require(tutti_group_start(comm), comm);
  for (const auto& trial : trials) trial->start();
  tutti_options options = TUTTI_OPTIONS_INIT;
  tutti_request* request = nullptr;
  if (with_request) options.request = &request;
  require(tutti_group_end(comm, &options), comm);
  if (with_request) require(tutti_wait(request), comm);
}

class Comparison {
 public:
  Comparison(tutti_comm* world, std::uint64_t seed) : world_(world), seed_(seed) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  }

  /// Returns how many calls the step has.
  int run(std::uint64_t step) {
    step_ = step;
    words_ = "communicators";
    enter_epoch(step / kStepsOfAnEpoch);
    Random random{seed_, step_, kForm};
    const auto form = static_cast<Form>(random.below(static_cast<int>(std::size(kFormNames))));
    const int calls = 1 + random.below(kMostCallsOfAStep);
    Trials trials;
    tutti_comm* const comm = draw(trials, form, calls);
    words_ = std::to_string(trials.size()) + " calls " + kFormNames[static_cast<int>(form)];
    for (const auto& trial : trials) words_ += "\n  " + trial->text();
    if (!trials.empty()) make(trials, form, comm);
    return calls;
  }

  int rank() const { return rank_; }
  std::uint64_t step() const { return step_; }
  /// What it was doing.
  const std::string& words() const { return words_; }

 private:
  void enter_epoch(std::uint64_t epoch) {
    if (groups_ && epoch == epoch_) return;
    groups_.reset();
    groups_ = std::make_unique<Groups>(world_, seed_, epoch);
    epoch_ = epoch;
  }

  /// This rank's part of the step, which may be none. Some calls are much like the step's first,
  /// so that what the library keeps of a call is tried on the next one. Returns the communicator of
  /// the last call; those of a group have the same one.
  tutti_comm* draw(Trials& trials, Form form, int calls) {
    const bool as_group = form == Form::kGroup || form == Form::kGroupWithRequest;
    const auto rank = static_cast<std::uint64_t>(rank_);
    tutti_comm* comm = nullptr;
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(calls); ++i) {
      const bool again = i > 0 && Random{seed_, step_, kAgain, i}.chance(50);
      Random random{seed_, step_, kGroup, as_group || again ? 0 : i};
      const Group& group = (*groups_)[random.below(Groups::kCount)];
      if (group.ours == nullptr) continue;
      const int size = group.at.size;
      DrawnCall call = draw_call(size, {seed_, step_, kCall, again ? 0 : i});
      if (again) call = vary_call(call, size, {seed_, step_, kAgain, i, kCall});
      trials.push_back(
          std::make_unique<Trial>(call, draw_buffers({seed_, step_, kBuffers, i, rank}), group,
                                  world_, Random{seed_, step_, kElements, i, rank}));
      comm = group.ours;
    }
    return comm;
  }

  void make(const Trials& trials, Form form, tutti_comm* comm) const {
    const Random random{seed_, step_, kWaits, static_cast<std::uint64_t>(rank_)};
    switch (form) {
      case Form::kBlocking:
        make_blocking(trials);
        break;
      case Form::kRequests:
        make_with_requests(trials, random, comm);
        break;
      case Form::kPersistent:
        make_persistent(trials, random, comm);
        break;
      case Form::kGroup:
      case Form::kGroupWithRequest:
        make_group(trials, form == Form::kGroupWithRequest, comm);
        break;
    }
    check_all(trials);
  }

  tutti_comm* const world_;
  const std::uint64_t seed_;
  int rank_ = 0;
  std::uint64_t step_ = 0, epoch_ = 0;
  std::unique_ptr<Groups> groups_;
  std::string words_;
};

/// The world of MPI's ranks; its name is one that no other job has.
tutti_comm* join_world() {
  tutti_config config = TUTTI_CONFIG_INIT;
  MPI_Comm_rank(MPI_COMM_WORLD, &config.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &config.size);
  int pid = getpid();
  MPI_Bcast(&pid, 1, MPI_INT, 0, MPI_COMM_WORLD);
  const std::string address = "mpi-comparison-" + std::to_string(pid);
  config.address = address.c_str();
  config.call_timeout_ms = 60'000;
  tutti_comm* comm = nullptr;
  require(tutti_start(&comm, &config), nullptr);
  return comm;
}

void run_steps(Comparison& comparison, const std::vector<std::uint64_t>& numbers) {
  const std::uint64_t quota = numbers[1];
  std::uint64_t step = 0, last = std::numeric_limits<std::uint64_t>::max(), calls = 0;
  if (numbers.size() == 4) step = numbers[2], last = numbers[3];
  for (; calls < quota && step <= last; ++step)
    calls += static_cast<std::uint64_t>(comparison.run(step));
  if (comparison.rank() == 0) std::printf("%lu calls agree with MPI's\n", calls);
}

/// The line that tells what differs, and ends the job.
void give_up(const Comparison& comparison, const std::vector<std::uint64_t>& numbers,
             const std::string& why) {
  std::fprintf(stderr,
               "rank %d: %s\nin step %lu of seed %lu: %s\n"
               "to repeat it give the numbers: %lu %lu %lu %lu\n",
               comparison.rank(), why.c_str(), comparison.step(), numbers[0],
               comparison.words().c_str(), numbers[0], numbers[1], comparison.step(),
               comparison.step());
  MPI_Abort(MPI_COMM_WORLD, 1);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::uint64_t> numbers;
  for (int i = 1; i < argc; ++i) numbers.push_back(std::strtoull(argv[i], nullptr, 10));
  if (numbers.size() != 2 && numbers.size() != 4) {
    std::fprintf(stderr, "usage: mpi_comparison SEED CALLS [FIRST-STEP LAST-STEP]\n");
    return 2;
  }
  MPI_Init(&argc, &argv);
  tutti_comm* const world = join_world();
  {
    Comparison comparison(world, numbers[0]);
    try {
      run_steps(comparison, numbers);
    } catch (const std::exception& error) {
      give_up(comparison, numbers, error.what());
    }
  }
  require(tutti_finish(world), world);
  MPI_Finalize();
}

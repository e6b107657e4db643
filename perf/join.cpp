// A rank of a sweep joins its world, as a process or as several threads of one, and measures.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <exception>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "perf/rank.h"

namespace tutti {
namespace {

struct CommCloser {
  void operator()(tutti_comm* comm) const { tutti_finish(comm); }
};
using Comm = std::unique_ptr<tutti_comm, CommCloser>;

tutti_config config_of(const SweepSettings& settings) {
  tutti_config config = TUTTI_CONFIG_INIT;
  if (settings.timeout_s > 0)
    config.call_timeout_ms = static_cast<std::int64_t>(settings.timeout_s * 1000) + 1;
  return config;
}

Comm start_world(const tutti_config& config) {
  tutti_comm* comm = nullptr;
  require(tutti_start(&comm, &config), nullptr);
  return Comm(comm);
}

using Address = std::array<char, 96>;

/// A name for the world of the threads, which all processes learn from the first of them.
Address agree_on_address(tutti_comm* processes) {
  Address address{};
  std::snprintf(address.data(), address.size(), "tutti-perf-%d-%08x", getpid(),
                std::random_device{}());
  require(tutti_broadcast(address.data(), address.data(), address.size(), TUTTI_U8, 0, processes,
                          nullptr),
          processes);
  return address;
}

/// Throws the failure that made the others stop, if there is one.
void rethrow_cause(const std::vector<std::exception_ptr>& failures) {
  std::exception_ptr stopped;
  for (const std::exception_ptr& failure : failures) {
    if (!failure) continue;
    try {
      std::rethrow_exception(failure);
    } catch (const PeerStopped&) {
      stopped = failure;
    }
  }
  if (stopped) std::rethrow_exception(stopped);
}

/// This process's threads, as the ranks from process * threads on.
class ThreadRanks {
 public:
  ThreadRanks(const SweepSettings& settings, int process, int processes, ResultSink& sink)
      : settings_(settings), process_(process), processes_(processes), sink_(sink) {}

  void run(const Address& address) {
    const CpuList cpus = my_cpus();
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(settings_.threads));
    {
      std::vector<std::jthread> threads;
      threads.reserve(failures.size());
      for (int thread = 0; thread < settings_.threads; ++thread)
        threads.emplace_back([&, thread] {
          try {
            run_rank(process_ * settings_.threads + thread, address, cpus);
          } catch (...) {
            failures[static_cast<std::size_t>(thread)] = std::current_exception();
          }
        });
    }
    rethrow_cause(failures);
  }

 private:
  void run_rank(int rank, const Address& address, const CpuList& cpus) {
    const int ranks = processes_ * settings_.threads;
    const bool room = static_cast<std::size_t>(ranks) <= cpus.size();
    if (room && settings_.bind_to != "none") pin_thread(cpus[static_cast<std::size_t>(rank)]);
    tutti_config config = config_of(settings_);
    config.rank = rank;
    config.size = ranks;
    config.address = address.data();
    const Comm comm = start_world(config);
    sweep_world(comm.get(), settings_, rank == 0 ? &sink_ : nullptr);
  }

  const SweepSettings& settings_;
  const int process_, processes_;
  ResultSink& sink_;
};

}  // namespace

void join_and_sweep(const SweepSettings& settings, ResultSink& sink) {
  const Comm comm = start_world(config_of(settings));
  int rank = 0;
  int size = 1;
  require(tutti_rank(comm.get(), &rank), comm.get());
  require(tutti_size(comm.get(), &size), comm.get());
  if (settings.threads == 1) {
    sweep_world(comm.get(), settings, rank == 0 ? &sink : nullptr);
    return;
  }
  const Address address = agree_on_address(comm.get());
  ThreadRanks(settings, rank, size, sink).run(address);
}

}  // namespace tutti

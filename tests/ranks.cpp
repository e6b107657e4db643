#include "tests/ranks.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/leaks.h"

namespace tutti::test {
namespace {

tutti_config config_of(int rank, int size, const std::string& address) {
  tutti_config config = TUTTI_CONFIG_INIT;
  config.rank = rank;
  config.size = size;
  config.address = address.c_str();
  config.start_timeout_ms = 60'000;
  config.call_timeout_ms = 60'000;
  return config;
}

std::string failure_of(int rank, const ConfigBody& body, const tutti_config& config) {
  try {
    body(config);
  } catch (const std::exception& e) {
    return "rank " + std::to_string(rank) + ": " + e.what() + "\n";
  }
  return {};
}

std::string run_threads(int size, const ConfigBody& body, const std::string& address) {
  std::mutex mutex;
  std::string failures;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      const std::string failure = failure_of(rank, body, config_of(rank, size, address));
      const std::lock_guard lock(mutex);
      failures += failure;
    });
  }
  for (std::thread& t : threads) t.join();
  return failures;
}

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

std::string run_processes(int size, const ConfigBody& body, const std::string& address) {
  int pipe_fds[2];
  expect(pipe(pipe_fds) == 0, "pipe");
  std::vector<pid_t> children;
  for (int rank = 0; rank < size; ++rank) {
    const pid_t child = fork();
    expect(child >= 0, "fork");
    if (child == 0) {
      close(pipe_fds[0]);
      std::string failure = failure_of(rank, body, config_of(rank, size, address));
      if (leaks()) failure += "rank " + std::to_string(rank) + ": leaks memory\n";
      const bool told = failure.empty() || write(pipe_fds[1], failure.data(), failure.size()) > 0;
      _exit(failure.empty() && told ? 0 : 1);
    }
    children.push_back(child);
  }
  close(pipe_fds[1]);
  std::string failures = read_all(pipe_fds[0]);
  close(pipe_fds[0]);
  for (std::size_t rank = 0; rank < children.size(); ++rank) {
    int status = 0;
    waitpid(children[rank], &status, 0);
    if (!WIFEXITED(status)) {
      failures += "rank " + std::to_string(rank) + ": ended by signal " +
                  std::to_string(WTERMSIG(status)) + "\n";
    } else if (WEXITSTATUS(status) != 0 && failures.empty()) {
      failures += "rank " + std::to_string(rank) + ": failed without a word\n";
    }
  }
  return failures;
}

}  // namespace

void expect(bool holds, const std::string& text) {
  if (!holds) throw std::runtime_error(text);
}

void ok(tutti_status status, const tutti_comm* comm) {
  if (status == TUTTI_OK) return;  // without making a text: callers count allocations
  throw std::runtime_error(std::string(tutti_status_name(status)) + ": " + tutti_error_text(comm));
}

std::string fresh_address() {
  static std::atomic<int> made{0};
  return "test-" + std::to_string(getpid()) + "-" + std::to_string(made++);
}

std::string run_configs(RankKind kind, int size, const ConfigBody& body) {
  const std::string address = fresh_address();
  return kind == RankKind::kThreads ? run_threads(size, body, address)
                                    : run_processes(size, body, address);
}

std::string run_ranks(RankKind kind, int size, const RankBody& body) {
  return run_configs(kind, size, [&](const tutti_config& config) {
    tutti_comm* comm = nullptr;
    ok(tutti_start(&comm, &config), nullptr);
    body(config.rank, comm);
    ok(tutti_finish(comm), nullptr);
  });
}

}  // namespace tutti::test

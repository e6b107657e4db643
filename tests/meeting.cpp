#include "tests/meeting.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <thread>

#include "kernels/error.h"
#include "tests/leaks.h"

namespace tutti::test {
namespace {

Outcome outcome_of(const World& world, const std::function<void(const World&)>& body) {
  try {
    body(world);
    return {};
  } catch (const Error& error) {
    return {error.status(), error.what()};
  } catch (const std::exception& error) {
    return {TUTTI_INTERNAL, error.what()};
  }
}

struct Child {
  pid_t pid;
  UniqueFd from;
};

Child start(const World& world, const std::function<void(const World&)>& body) {
  std::array<int, 2> ends{};
  expect(pipe(ends.data()) == 0, "pipe");
  UniqueFd from(ends[0]), to(ends[1]);
  const pid_t pid = fork();
  expect(pid >= 0, "fork");
  if (pid == 0) {
    Outcome outcome = outcome_of(world, body);
    if (leaks()) outcome = {TUTTI_INTERNAL, "leaks memory after: " + outcome.text};
    const std::string told = std::to_string(outcome.status) + " " + outcome.text;
    _exit(write(to.get(), told.data(), told.size()) > 0 ? 0 : 1);
  }
  return {pid, std::move(from)};
}

Outcome finish(const Child& child) {
  std::string told;
  std::array<char, 8192> buffer{};
  for (ssize_t n; (n = read(child.from.get(), buffer.data(), buffer.size())) > 0;)
    told.append(buffer.data(), static_cast<std::size_t>(n));
  waitpid(child.pid, nullptr, 0);
  const auto space = told.find(' ');
  if (space == std::string::npos) return {-1, "died"};
  return {std::stoi(told), told.substr(space + 1)};
}

}  // namespace

std::vector<World> worlds(int size, std::chrono::milliseconds timeout) {
  const std::string address = fresh_address();
  std::vector<World> ranks;
  for (int rank = 0; rank < size; ++rank)
    ranks.push_back({.rank = rank,
                     .size = size,
                     .address = address,
                     .launcher = "config",
                     .start_timeout = timeout});
  return ranks;
}

std::vector<Outcome> meet_all(RankKind kind, const std::vector<World>& ranks,
                              const std::function<void(const World&)>& body) {
  std::vector<Outcome> outcomes(ranks.size());
  if (kind == RankKind::kThreads) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < ranks.size(); ++i)
      threads.emplace_back([&, i] { outcomes[i] = outcome_of(ranks[i], body); });
    for (std::thread& thread : threads) thread.join();
    return outcomes;
  }
  std::vector<Child> children;
  for (const World& world : ranks) children.push_back(start(world, body));
  for (std::size_t i = 0; i < ranks.size(); ++i) outcomes[i] = finish(children[i]);
  return outcomes;
}

std::string failures(const std::vector<Outcome>& outcomes) {
  std::string text;
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (outcomes[i].status != TUTTI_OK)
      text += "rank " + std::to_string(i) + ": " + outcomes[i].text + "\n";
  return text;
}

}  // namespace tutti::test

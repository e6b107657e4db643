#include "tools/guard.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <system_error>

#include "kernels/error.h"

namespace tutti {
namespace {

using std::chrono::milliseconds;

constexpr int kImpatience = 3;  // interruptions after which nobody is asked any more

/// A name that no other world has.
std::string fresh_address() {
  std::array<std::uint64_t, 2> random{};
  if (getrandom(random.data(), sizeof random, 0) != sizeof random)
    throw Error(TUTTI_SYSTEM, "no random numbers: " + std::generic_category().message(errno));
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "run-%016llx%016llx",
                static_cast<unsigned long long>(random[0]),
                static_cast<unsigned long long>(random[1]));
  return text.data();
}

std::string name_of(const std::string& definition) {
  return definition.substr(0, definition.find('='));
}

/// The caller's environment with `definitions` over it.
std::vector<std::string> environment_with(const std::vector<std::string>& definitions) {
  std::map<std::string, std::string> by_name;
  for (char** entry = environ; *entry != nullptr; ++entry) by_name[name_of(*entry)] = *entry;
  for (const std::string& definition : definitions) by_name[name_of(definition)] = definition;
  std::vector<std::string> all;
  all.reserve(by_name.size());
  for (auto& [name, definition] : by_name) all.push_back(std::move(definition));
  return all;
}

}  // namespace

Guard::Guard(const LaunchSpec& spec, const std::vector<Binding>& bindings, SignalGate& signals,
             int lifeline, int input)
    : spec_(spec),
      bindings_(bindings),
      signals_(signals),
      lifeline_(lifeline),
      input_(input),
      out_(STDOUT_FILENO, "standard output"),
      err_(STDERR_FILENO, "standard error") {
  if (spec.timeout) give_up_ = Clock::now() + *spec.timeout;
}

int Guard::run() {
  if (!start_all()) begin_ending();
  while (!running_.empty()) {
    wait_for_news();
    handle_signals();
    reap();
    check_clock();
  }
  end_leftovers();
  flush();
  return exit_code_.value_or(output_lost_ ? 1 : 0);
}

// ---- Starting ----------------------------------------------------------------------------------

bool Guard::start_all() {
  const std::string address = fresh_address();
  for (int rank = 0; rank < spec_.ranks; ++rank)
    if (!start_rank(rank, address)) return false;
  return true;
}

bool Guard::start_rank(int rank, const std::string& address) {
  const Binding& binding = bindings_[static_cast<std::size_t>(rank)];
  std::vector<std::string> definitions = spec_.environment;
  definitions.insert(
      definitions.end(),
      {"TUTTI_RANK=" + std::to_string(rank), "TUTTI_SIZE=" + std::to_string(spec_.ranks),
       "TUTTI_ADDR=" + address, "TUTTI_LOCAL_RANK=" + std::to_string(rank)});
  const UniqueFd nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  Pipe out, err;
  if (spec_.tag_output) out = make_pipe(), err = make_pipe();
  const Started started = start_process({.argv = spec_.argv,
                                         .environment = environment_with(definitions),
                                         .cpus = binding.cpus,
                                         .in = rank == 0 ? input_ : nothing.get(),
                                         .out = out.write_end.get(),
                                         .err = err.write_end.get(),
                                         .signal_mask = signals_.original_mask()});
  if (started.pid < 0) {
    explain_failed_start(rank, started);
    return false;
  }
  running_[started.pid] = rank;
  if (spec_.tag_output) {
    out_.add(rank, std::move(out.read_end));
    err_.add(rank, std::move(err.read_end));
  }
  if (spec_.report_bindings) say("rank " + std::to_string(rank) + ": " + binding.text);
  return true;
}

void Guard::explain_failed_start(int rank, const Started& failure) {
  const std::string& program = spec_.argv[0];
  const std::string reason = std::generic_category().message(failure.error_number);
  exit_code_ = 1;
  if (failure.step != std::string("start")) {
    say("rank " + std::to_string(rank) + " cannot be started: " + failure.step + ": " + reason);
    return;
  }
  exit_code_ = failure.error_number == ENOENT ? kExitNoProgram : kExitNoProgram - 1;
  const bool here = failure.error_number == ENOENT && !program.empty() &&
                    program.find('/') == std::string::npos &&
                    access(("./" + program).c_str(), X_OK) == 0;
  say("cannot start '" + program + "': " + reason +
      (here ? "; did you mean './" + program + "'?" : ""));
}

// ---- Watching ----------------------------------------------------------------------------------

void Guard::wait_for_news() {
  std::vector<pollfd> fds{{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                          {.fd = abandoned_ ? -1 : lifeline_, .events = POLLIN, .revents = 0}};
  for (const TaggedOutput* output : {&out_, &err_})
    for (const int fd : output->readable()) fds.push_back({fd, POLLIN, 0});
  const std::size_t first_writer = fds.size();
  fds.push_back({out_.wants_to_write() ? STDOUT_FILENO : -1, POLLOUT, 0});
  fds.push_back({err_.wants_to_write() ? STDERR_FILENO : -1, POLLOUT, 0});

  std::optional<Clock::time_point> until = kill_ ? kill_ : give_up_;
  milliseconds wait = milliseconds(abandoned_ ? 10 : 60'000);
  if (until) wait = std::min(wait, std::chrono::ceil<milliseconds>(*until - Clock::now()));
  poll(fds.data(), fds.size(), static_cast<int>(std::max(wait, milliseconds(0)).count()));

  if ((fds[1].revents & POLLHUP) != 0) abandoned_ = true;
  out_.read_some();
  err_.read_some();
  if (fds[first_writer].revents != 0) out_.write_some();
  if (fds[first_writer + 1].revents != 0) err_.write_some();
  for (TaggedOutput* output : {&out_, &err_}) {
    const auto failure = output->take_failure();
    if (failure) say(*failure);
    output_lost_ |= failure.has_value();
  }
}

void Guard::handle_signals() {
  while (const std::optional<int> signal = signals_.next())
    if (*signal != SIGCHLD) pass_on(*signal);
  if (abandoned_) signal_all(SIGKILL);
}

void Guard::pass_on(int signal) {
  if (signal == SIGINT || signal == SIGTERM) interruptions_ += 1;
  signal_all(interruptions_ >= kImpatience ? SIGKILL : signal);
}

void Guard::reap() {
  std::vector<Ended> ended;
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto rank = running_.find(pid);
    if (rank == running_.end()) continue;  // adopted
    ended.push_back({rank->second, pid, status});
    running_.erase(rank);
  }
  // A crash is the likelier cause of the others' failures than the other way round.
  std::stable_partition(ended.begin(), ended.end(),
                        [](const Ended& end) { return WIFSIGNALED(end.wait_status); });
  for (const Ended& end : ended) judge(end);
}

void Guard::judge(const Ended& ended) {
  const int code = exit_code_of(ended.wait_status);
  if (code == 0 || exit_code_) return;
  exit_code_ = code;
  say(fmt::format("rank {} (pid {}) {}{}", ended.rank, ended.pid, describe_end(ended.wait_status),
                  name_others()));
  begin_ending();
}

void Guard::check_clock() {
  const auto now = Clock::now();
  if (give_up_ && now >= *give_up_ && !running_.empty()) {
    give_up_.reset();
    if (!exit_code_) {
      exit_code_ = kExitTimeout;
      const std::chrono::duration<double> seconds = *spec_.timeout;
      say(fmt::format("not finished after {:g} s; ending {}", seconds.count(), name_running()));
      begin_ending();
    }
  }
  if (kill_ && now >= *kill_) {
    signal_all(SIGKILL);
    kill_ = now + spec_.grace;  // for children that a rank forked meanwhile
  }
}

// ---- Ending ------------------------------------------------------------------------------------

void Guard::begin_ending() {
  if (running_.empty()) return;
  signal_all(SIGTERM);
  signal_all(SIGCONT);  // a stopped rank would not hear it
  kill_ = Clock::now() + spec_.grace;
}

void Guard::signal_all(int signal) const {
  for (const auto& [pid, rank] : running_) kill(-pid, signal);
}

void Guard::end_leftovers() {
  const int count = end_children({}, abandoned_ ? milliseconds(0) : spec_.grace);
  // After a failure that is a matter of course.
  if (count > 0 && !exit_code_)
    say("ended " + std::to_string(count) + (count == 1 ? " process" : " processes") +
        " that the ranks had left behind");
}

/// Only the reader's pace, or the death of the one we work for, ends this.
void Guard::flush() {
  out_.close();
  err_.close();
  while (!abandoned_ && !(out_.done() && err_.done())) wait_for_news();
}

void Guard::say(const std::string& text) {
  const std::string line = spec_.title + ": " + text;
  if (spec_.tag_output)
    err_.say(line);
  else
    std::fprintf(stderr, "%s\n", line.c_str());
}

std::string Guard::name_running() const {
  return running_.size() == 1 ? "1 rank" : std::to_string(running_.size()) + " ranks";
}

std::string Guard::name_others() const {
  if (running_.empty()) return "";
  return running_.size() == 1 ? "; ending the other one" : "; ending the other " + name_running();
}

}  // namespace tutti

// The ranks' parent: starts them, carries their output, passes signals on, ends them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/launcher.h"
#include "tools/process.h"
#include "tools/signal_gate.h"
#include "tools/tagged_output.h"

namespace tutti {

class Guard {
 public:
  using Clock = std::chrono::steady_clock;

  /// `lifeline` polls as hung up when the process that the guard works for has died; `input` is
  /// rank 0's.
  Guard(const LaunchSpec& spec, const std::vector<Binding>& bindings, SignalGate& signals,
        int lifeline, int input);

  /// Starts all ranks and stays until they have ended. Returns the exit code for launch().
  int run();

 private:
  struct Ended {
    int rank;
    pid_t pid;
    int wait_status;
  };

  /// False, with the exit code set, if a rank cannot be started.
  bool start_all();
  bool start_rank(int rank, const std::string& address);
  void explain_failed_start(int rank, const Started& failure);

  void wait_for_news();
  void handle_signals();
  void pass_on(int signal);
  void reap();
  void judge(const Ended& ended);
  void check_clock();

  /// Asks the ranks to end; they are killed after the grace.
  void begin_ending();
  void signal_all(int signal) const;
  void end_leftovers();
  void flush();
  void say(const std::string& text);
  std::string name_running() const;
  std::string name_others() const;

  // Fixed after construction.
  const LaunchSpec& spec_;
  const std::vector<Binding>& bindings_;
  SignalGate& signals_;
  const int lifeline_, input_;

  // Progress.
  std::map<pid_t, int> running_;  // to rank
  std::optional<int> exit_code_;  // of the first failure
  std::optional<Clock::time_point> give_up_, kill_;
  int interruptions_ = 0;
  bool output_lost_ = false;
  bool abandoned_ = false;  // the process that the guard works for has died
  TaggedOutput out_, err_;
};

}  // namespace tutti

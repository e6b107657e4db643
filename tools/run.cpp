// tutti run: starts ranks of any program on this host.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>

#include "tools/launcher.h"
#include "tools/subcommand.h"
#include "transport/bootstrap/world.h"

namespace tutti {
namespace {

constexpr double kLongestTimeoutS = 3600.0 * 24 * 365;

bool is_set(const std::string& name) {
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (std::string_view(*entry).starts_with(name + "=")) return true;
  return false;
}

class Run : public Subcommand {
 public:
  void declare(Options& options) override {
    options.integer("ranks", ranks_, 1, kMaxHostRanks);
    options.choice("bind-to", bind_to_, {"core", "numa", "none"});
    options.flag("report-bindings", spec_.report_bindings);
    options.repeated("x", variables_);
    options.flag("tag-output", spec_.tag_output);
    options.real("timeout", timeout_s_, 0.001, kLongestTimeoutS);
  }

  /// The first argument that is no option, and all after it, are the program's.
  void take_program(std::vector<std::string>& arguments) override {
    auto at = arguments.begin();
    while (at != arguments.end() && at->size() > 1 && at->front() == '-' && *at != "--") {
      if (*at == "-np") *at = "-n";  // mpirun's; a parser would read -n p
      const bool with_value = takes_value('R', *at);
      ++at;
      if (with_value && at != arguments.end()) ++at;
    }
    const auto program = at != arguments.end() && *at == "--" ? at + 1 : at;
    spec_.argv.assign(program, arguments.end());
    arguments.erase(at, arguments.end());
  }

  int run() override {
    if (spec_.argv.empty()) throw UsageError("no program given, as in `tutti run -n 4 ./program`");
    spec_.ranks = ranks_ ? *ranks_ : std::min(usable_cores(), kMaxHostRanks);
    for (const std::string& variable : variables_) pass(variable);
    if (bind_to_ == "core") spec_.bind_to = BindTo::kCore;
    if (bind_to_ == "numa") spec_.bind_to = BindTo::kNuma;
    if (bind_to_ == "none") spec_.bind_to = BindTo::kNone;
    if (timeout_s_) {
      const auto ms = std::chrono::duration<double, std::milli>(*timeout_s_ * 1e3);
      spec_.timeout = std::chrono::ceil<std::chrono::milliseconds>(ms);
    }
    return launch(spec_);
  }

 private:
  /// "NAME=value" is set; "NAME" is there already, since ranks of this host inherit everything.
  void pass(const std::string& variable) {
    const std::string name = variable.substr(0, variable.find('='));
    if (name.empty()) throw UsageError("-x: '" + variable + "' names no variable");
    for (const char* own : {"TUTTI_RANK", "TUTTI_SIZE", "TUTTI_ADDR", "TUTTI_LOCAL_RANK"})
      if (name == own) throw UsageError("-x: " + name + " is what `tutti run` itself sets");
    if (name.size() < variable.size())
      spec_.environment.push_back(variable);
    else if (!is_set(name))
      throw UsageError("-x: " + name + " is not set here: give a value, as in " + name + "=1");
  }

  LaunchSpec spec_;
  std::optional<int> ranks_;
  std::string bind_to_;
  std::vector<std::string> variables_;
  std::optional<double> timeout_s_;
};

}  // namespace

std::unique_ptr<Subcommand> make_run() { return std::make_unique<Run>(); }

}  // namespace tutti

// The options of all subcommands as data, so that one idea has one spelling everywhere: parsing,
// help, man pages and completions come from one table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "transport/bootstrap/world.h"

namespace CLI {
class App;
}

namespace tutti {

/// The command line is wrong: exit status 2. The text names the option and the value.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One option of some subcommands.
struct OptionRow {
  std::string_view subcommands;    // letters: P perf, R run, E explain, V verify
  std::string_view names;          // "-b,--minbytes"; a positional argument: "collective"
  std::string_view value;          // what follows the name; empty for a flag
  std::string_view meaning;        // one line
  std::string_view default_value;  // as a user would write it, or a word; empty for flags
};

/// All options, in the order of the help.
std::span<const OptionRow> option_table();

/// The row of `name` (without dashes) for a subcommand; std::logic_error if there is none.
const OptionRow& option_row(char subcommand, std::string_view name);

/// The parts of a row's names ("-b,--minbytes"), or of a value's alternatives ("0/1/both").
std::vector<std::string_view> split(std::string_view text, char separator);

/// Whether `argument` ("-b", "--minbytes") is an option of `subcommand` that takes the next
/// argument as its value.
bool takes_value(char subcommand, std::string_view argument);

// ---- Values. Each throws UsageError naming `option` and `text`. ---------------------------------

/// "64", "64K", "64KiB", "1M", "2GiB": K, M and G are 1024-based. "1MB" is refused with a hint.
std::size_t parse_bytes(std::string_view option, std::string_view text);
/// The whole text is a decimal number within [least, most].
std::int64_t parse_integer(std::string_view option, std::string_view text, std::int64_t least,
                           std::int64_t most);
double parse_real(std::string_view option, std::string_view text, double least, double most);
/// The most that an option in seconds takes: what a call's timeout is cut to.
inline constexpr double kMostSeconds = kLongestTimeoutMs / 1000.0;
/// Splits at commas. Empty items are refused.
std::vector<std::string> parse_list(std::string_view option, std::string_view text);

/// Binds the options of one subcommand to variables. `name` is the long name without dashes; the
/// variable keeps its value unless the option is given. T may be a std::optional of what is named.
class Options {
 public:
  Options(CLI::App& app, char subcommand) : app_(app), subcommand_(subcommand) {}

  void flag(std::string_view name, bool& target);
  /// A string.
  template <typename T>
  void text(std::string_view name, T& target);
  /// One of `choices`.
  template <typename T>
  void choice(std::string_view name, T& target, std::initializer_list<std::string_view> choices);
  /// A number of bytes (std::size_t), with K, M or G.
  template <typename T>
  void bytes(std::string_view name, T& target);
  /// A whole number (any integer type).
  template <typename T>
  void integer(std::string_view name, T& target, std::int64_t least, std::int64_t most);
  /// A decimal number (double).
  template <typename T>
  void real(std::string_view name, T& target, double least, double most);
  /// Numbers or words with commas between.
  void integers(std::string_view name, std::vector<int>& target, int least, int most);
  void list(std::string_view name, std::vector<std::string>& target);
  /// An option that may be given many times.
  void repeated(std::string_view name, std::vector<std::string>& target);

  /// Whether the option is on the command line. Valid after parsing.
  bool given(std::string_view name) const;
  /// Throws UsageError if both are given.
  void exclude(std::string_view name, std::string_view other) const;

  /// How users know an option: "--minbytes", "-x", "SIZE".
  std::string spelled(std::string_view name) const;

 private:
  using Take = std::function<void(const std::string&)>;

  template <typename T>
  struct ValueOf {
    using type = T;
  };
  template <typename T>
  struct ValueOf<std::optional<T>> {
    using type = T;
  };

  void add(std::string_view name, const Take& take);
  static std::string parse_choice(std::string_view option, const std::string& text,
                                  const std::vector<std::string>& choices);

  CLI::App& app_;
  const char subcommand_;
};

/// Throws UsageError if one of `words` ("all") is in a list with others.
void check_alone(std::string_view option, const std::vector<std::string>& list,
                 std::initializer_list<std::string_view> words);

/// Throws UsageError unless low ≤ high, naming both options and values.
void check_order(std::string_view low_name, std::size_t low, std::string_view high_name,
                 std::size_t high);

template <typename T>
void Options::text(std::string_view name, T& target) {
  add(name, [&target, option = spelled(name)](const std::string& text) {
    if (text.empty()) throw UsageError(option + ": is empty");
    target = text;
  });
}

template <typename T>
void Options::choice(std::string_view name, T& target,
                     std::initializer_list<std::string_view> choices) {
  const std::vector<std::string> allowed(choices.begin(), choices.end());
  add(name, [&target, allowed, option = spelled(name)](const std::string& text) {
    target = parse_choice(option, text, allowed);
  });
}

template <typename T>
void Options::bytes(std::string_view name, T& target) {
  add(name, [&target, option = spelled(name)](const std::string& text) {
    target = parse_bytes(option, text);
  });
}

template <typename T>
void Options::integer(std::string_view name, T& target, std::int64_t least, std::int64_t most) {
  using Value = typename ValueOf<T>::type;
  add(name, [&target, least, most, option = spelled(name)](const std::string& text) {
    target = static_cast<Value>(parse_integer(option, text, least, most));
  });
}

template <typename T>
void Options::real(std::string_view name, T& target, double least, double most) {
  add(name, [&target, least, most, option = spelled(name)](const std::string& text) {
    target = parse_real(option, text, least, most);
  });
}

}  // namespace tutti

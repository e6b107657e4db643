#include "tools/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <limits>

namespace tutti {
namespace {

std::string_view without_dashes(std::string_view name) {
  name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
  return name;
}

/// The last of a row's names is the long one.
std::string_view long_name(const OptionRow& row) { return split(row.names, ',').back(); }

std::string description(const OptionRow& row) {
  std::string text(row.meaning);
  if (!row.default_value.empty()) text += " (" + std::string(row.default_value) + ")";
  return text;
}

bool serves(const OptionRow& row, char subcommand) {
  return row.subcommands.find(subcommand) != std::string_view::npos;
}

[[noreturn]] void refuse(std::string_view option, std::string_view text, const std::string& why) {
  throw UsageError(std::string(option) + ": '" + std::string(text) + "' " + why);
}

/// A number without the trailing zeros of std::to_string().
std::string short_number(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

constexpr std::string_view kBinaryLetters = "KMGT";

/// The factor of a binary suffix; none if it is not one.
std::optional<std::size_t> binary_factor(std::string_view suffix) {
  if (suffix.empty() || suffix == "B") return 1;
  const char letter = suffix[0] == 'k' ? 'K' : suffix[0];
  const auto power = kBinaryLetters.find(letter);
  const std::string_view rest = suffix.substr(1);
  if (power == std::string_view::npos || (!rest.empty() && rest != "iB")) return std::nullopt;
  return std::size_t{1} << (10 * (power + 1));
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

const OptionRow& option_row(char subcommand, std::string_view name) {
  for (const OptionRow& row : option_table())
    if (serves(row, subcommand) && without_dashes(long_name(row)) == name) return row;
  throw std::logic_error("no option '" + std::string(name) + "' in the table for subcommand " +
                         subcommand);
}

bool takes_value(char subcommand, std::string_view argument) {
  for (const OptionRow& row : option_table()) {
    if (!serves(row, subcommand)) continue;
    const auto names = split(row.names, ',');
    if (std::find(names.begin(), names.end(), argument) != names.end()) return !row.value.empty();
  }
  return false;
}

std::size_t parse_bytes(std::string_view option, std::string_view text) {
  std::size_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc::result_out_of_range) refuse(option, text, "is too large");
  if (error != std::errc())
    refuse(option, text, "is not a number of bytes, such as 64, 64K or 1MiB");
  const std::string_view suffix(rest, static_cast<std::size_t>(end - rest));
  if (suffix == "KB" || suffix == "kB" || suffix == "MB" || suffix == "GB" || suffix == "TB") {
    const std::string letter(1, suffix[0] == 'k' ? 'K' : suffix[0]);
    refuse(option, text,
           "could mean two things: write " + std::to_string(number) + letter + " or " +
               std::to_string(number) + letter + "iB (1024-based)");
  }
  const auto factor = binary_factor(suffix);
  if (!factor) refuse(option, text, "has an unknown unit: use K, M, G or KiB, MiB, GiB");
  if (number > std::numeric_limits<std::size_t>::max() / *factor)
    refuse(option, text, "is too large");
  return number * *factor;
}

std::int64_t parse_integer(std::string_view option, std::string_view text, std::int64_t least,
                           std::int64_t most) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  const bool range_error = error == std::errc::result_out_of_range;
  if (rest != end || (error != std::errc() && !range_error))
    refuse(option, text, "is not a whole number");
  if (range_error || number < least || number > most) {
    if (most == std::numeric_limits<std::int64_t>::max())
      refuse(option, text, "is out of range: at least " + std::to_string(least));
    refuse(option, text,
           "is out of range: " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

double parse_real(std::string_view option, std::string_view text, double least, double most) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (rest != end || error != std::errc() || !std::isfinite(number))
    refuse(option, text, "is not a number");
  if (number < least || number > most)
    refuse(option, text, "is out of range: " + short_number(least) + " to " + short_number(most));
  return number;
}

std::vector<std::string> parse_list(std::string_view option, std::string_view text) {
  std::vector<std::string> items;
  for (const std::string_view item : split(text, ',')) {
    if (item.empty()) refuse(option, text, "has an empty item");
    items.emplace_back(item);
  }
  return items;
}

void check_alone(std::string_view option, const std::vector<std::string>& list,
                 std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    const auto found = std::find(list.begin(), list.end(), word);
    if (found == list.end() || list.size() == 1) continue;
    throw UsageError(std::string(option) + ": '" + std::string(word) + "' stands alone, without '" +
                     (found == list.begin() ? list[1] : list[0]) + "'");
  }
}

void check_order(std::string_view low_name, std::size_t low, std::string_view high_name,
                 std::size_t high) {
  if (low <= high) return;
  throw UsageError(std::string(low_name) + " " + std::to_string(low) + " is more than " +
                   std::string(high_name) + " " + std::to_string(high));
}

void Options::flag(std::string_view name, bool& target) {
  const OptionRow& row = option_row(subcommand_, name);
  app_.add_flag(std::string(row.names), target, std::string(row.meaning));
}

void Options::integers(std::string_view name, std::vector<int>& target, int least, int most) {
  add(name, [&target, least, most, option = spelled(name)](const std::string& text) {
    target.clear();
    for (const std::string& item : parse_list(option, text))
      target.push_back(static_cast<int>(parse_integer(option, item, least, most)));
  });
}

void Options::list(std::string_view name, std::vector<std::string>& target) {
  add(name, [&target, option = spelled(name)](const std::string& text) {
    target = parse_list(option, text);
  });
}

void Options::repeated(std::string_view name, std::vector<std::string>& target) {
  const OptionRow& row = option_row(subcommand_, name);
  app_.add_option(std::string(row.names), target, description(row))
      ->type_name(std::string(row.value))
      ->default_str("")
      ->expected(1)
      ->take_all();
}

bool Options::given(std::string_view name) const {
  return app_.get_option(std::string(long_name(option_row(subcommand_, name))))->count() > 0;
}

void Options::exclude(std::string_view name, std::string_view other) const {
  if (given(name) && given(other))
    throw UsageError(spelled(name) + " and " + spelled(other) + " exclude each other");
}

std::string Options::spelled(std::string_view name) const {
  const OptionRow& row = option_row(subcommand_, name);
  const std::string_view spelling = long_name(row);
  return std::string(spelling.starts_with('-') ? spelling : row.value);
}

void Options::add(std::string_view name, const Take& take) {
  const OptionRow& row = option_row(subcommand_, name);
  app_.add_option_function<std::string>(std::string(row.names), take, description(row))
      ->type_name(std::string(row.value));
}

std::string Options::parse_choice(std::string_view option, const std::string& text,
                                  const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return text;
  std::string known;
  for (const std::string& choice : choices) known += (known.empty() ? "" : ", ") + choice;
  refuse(option, text, "is not one of " + known);
}

}  // namespace tutti

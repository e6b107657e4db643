#include "tools/help_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "collectives/algorithms.h"
#include "kernels/dtype.h"
#include "kernels/names.h"
#include "perf/names.h"
#include "tools/json_text.h"
#include "tools/subcommand.h"
#include "transport/bootstrap/environment.h"

namespace tutti {
namespace {

using Words = std::vector<std::string_view>;

template <typename Rows>
Words names_of(const Rows& rows, Words more = {}) {
  Words names;
  for (const auto& row : rows)
    if (std::ranges::find(names, row.name) == names.end()) names.emplace_back(row.name);
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

Words every_dtype() {
  Words names;
  for (int value = 0; value < kDtypes; ++value) names.push_back(name_of(static_cast<Dtype>(value)));
  return names;
}

/// The words that a value may be; none if it is not a matter of words.
Words words_of(char subcommand, const OptionRow& row) {
  if (row.names == "collective")
    return names_of(collective_names(), subcommand == 'P' ? Words{"all"} : Words{});
  if (row.names.ends_with("--algo"))
    return names_of(algorithms(), subcommand == 'V' ? Words{"all"} : Words{"auto", "all"});
  // perf sweeps its own table of ops and types; explain takes what calls take.
  if (row.names.ends_with("--op"))
    return subcommand == 'P' ? names_of(op_names(), {"all"})
                             : Words(kOpNames.begin() + 1, kOpNames.end());
  if (row.names.ends_with("--datatype"))
    return subcommand == 'P' ? names_of(dtype_names(), {"all"}) : every_dtype();
  if (row.value == "0-3") return {"0", "1", "2", "3"};
  const bool one_word = std::ranges::all_of(row.value, [](char c) { return c >= 'a' && c <= 'z'; });
  const bool several = row.value.find('/') != std::string_view::npos;
  return several || (one_word && !row.value.empty()) ? split(row.value, '/') : Words{};
}

nlohmann::json option_json(char subcommand, const OptionRow& row) {
  return {{"names", split(row.names, ',')},
          {"value", row.value},
          {"meaning", row.meaning},
          {"default", row.default_value},
          {"words", words_of(subcommand, row)}};
}

nlohmann::json subcommand_json(const SubcommandRow& row) {
  nlohmann::json options = nlohmann::json::array();
  for (const OptionRow& option : option_table())
    if (option.subcommands.find(row.letter) != std::string_view::npos)
      options.push_back(option_json(row.letter, option));
  return {
      {"name", row.name}, {"summary", row.summary}, {"program", row.program}, {"options", options}};
}

}  // namespace

std::string help_json() {
  nlohmann::json commands = nlohmann::json::array(), variables = nlohmann::json::array();
  for (const SubcommandRow& row : subcommands()) commands.push_back(subcommand_json(row));
  for (const Variable& variable : environment_table())
    variables.push_back({{"name", variable.name},
                         {"meaning", variable.meaning},
                         {"default", variable.default_value}});
  return json_text({{"subcommands", commands}, {"variables", variables}}, 2);
}

}  // namespace tutti

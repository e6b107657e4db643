// tutti explain: which algorithm a call takes and why, and what the ranks do in it.
#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collectives/explain.h"
#include "collectives/plan_text.h"
#include "kernels/error.h"
#include "kernels/names.h"
#include "tools/json_text.h"
#include "tools/output_file.h"
#include "tools/subcommand.h"
#include "transport/bootstrap/environment.h"
#include "transport/bootstrap/usable_cpus.h"
#include "transport/transport.h"

namespace tutti {
namespace {

constexpr int kMostRanks = 1024;
constexpr int kMostDrawnRanks = 16;

class Explain : public Subcommand {
 public:
  void declare(Options& options) override;
  int run() override;

 private:
  CallKey key_for(int ranks) const;
  void check_names(const std::vector<std::string>& names, int ranks, Collective collective) const;
  std::string explain_one(const Explanation& e, const std::string& forced,
                          nlohmann::json& json) const;
  std::string plans_of(const Explanation& e, const Variant& variant) const;

  std::string collective_ = "all_reduce", op_ = "sum", dtype_ = "f32", json_, draw_;
  std::size_t bytes_ = std::size_t{1} << 20;
  std::vector<int> ranks_;
  std::vector<std::string> algorithms_ = {"all"};
  int root_ = 0;
};

void Explain::declare(Options& options) {
  options.text("collective", collective_);
  options.bytes("size", bytes_);
  options.integers("ranks", ranks_, 1, kMostRanks);
  options.text("op", op_);
  options.text("datatype", dtype_);
  options.integer("root", root_, 0, kMostRanks - 1);
  options.list("algo", algorithms_);
  options.text("json", json_);
  options.choice("draw", draw_, {"txt"});
}

bool asks_for_all(const std::vector<std::string>& names) { return names[0] == "all"; }
bool asks_for_auto(const std::vector<std::string>& names) { return names[0] == "auto"; }

/// Throws UsageError naming the option, the word, and what could have been said.
template <typename T>
T named(std::string_view option, std::string_view word, const std::vector<T>& values,
        std::string (*name)(T)) {
  std::string known;
  for (const T& value : values) {
    if (name(value) == word) return value;
    known += (known.empty() ? "" : ", ") + name(value);
  }
  throw UsageError(fmt::format("{}: unknown value '{}'; known: {}", option, word, known));
}

template <typename T>
std::vector<T> first_values(int first, int count) {
  std::vector<T> values;
  values.reserve(static_cast<std::size_t>(count));
  for (int k = 0; k < count; ++k) values.push_back(static_cast<T>(first + k));
  return values;
}

CallKey Explain::key_for(int ranks) const {
  CallKey key;
  key.collective =
      named<Collective>("COLLECTIVE", collective_, first_values<Collective>(0, kCollectives),
                        [](Collective c) { return std::string(name_of(c)); });
  key.dtype = named<Dtype>("--datatype", dtype_, first_values<Dtype>(0, kDtypes),
                           [](Dtype d) { return std::string(name_of(d)); });
  key.op =
      named<tutti_op>("--op", op_, first_values<tutti_op>(TUTTI_SUM, TUTTI_MAX_INDEX), op_name);
  if (traits_of(key.collective).reduces) {
    try {
      predefined_op(key.op, key.dtype);
    } catch (const Error& error) {
      throw UsageError(fmt::format("--op {}, --datatype {}: {}", op_, dtype_, error.what()));
    }
  }
  if (root_ >= ranks) throw UsageError(fmt::format("--root {}: there are {} ranks", root_, ranks));
  key.root = root_;
  key.count = bytes_ / size_of(key.dtype);
  return key;
}

void Explain::check_names(const std::vector<std::string>& names, int ranks,
                          Collective collective) const {
  check_alone("--algo", names, {"all", "auto"});
  if (asks_for_all(names) || asks_for_auto(names)) return;
  for (const std::string& name : names) {
    try {
      variant_named(collective, name, ranks);
    } catch (const Error& error) {
      throw UsageError(fmt::format("--algo: {}", error.what()));
    }
  }
}

std::string Explain::plans_of(const Explanation& e, const Variant& variant) const {
  const std::vector<Plan> plans = make_plans(variant, shape_of(choice_key(e.key, {}), e.size));
  std::uint32_t chunks = 1;
  for (const Grid& grid : plans[0].grids) chunks = std::max(chunks, grid.chunks);
  std::string text =
      fmt::format("\n{} on {} ranks; {}; ranks wrap around\n\n", variant.name(), e.size,
                  chunks == 1 ? "vectors move whole" : fmt::format("{} chunks a tile", chunks));
  text += plans_text(plans);
  if (draw_.empty()) return text;
  if (e.size > kMostDrawnRanks)
    throw UsageError(
        fmt::format("--draw: {} ranks do not fit a picture (at most {})", e.size, kMostDrawnRanks));
  return text + "\n" + plans_picture(plans);
}

nlohmann::json json_of(const Explanation& e, const std::string& forced) {
  nlohmann::json json = {{"collective", name_of(e.key.collective)},
                         {"bytes", e.key.count * size_of(e.key.dtype)},
                         {"count", e.key.count},
                         {"dtype", name_of(e.key.dtype)},
                         {"op", op_name(e.key.op)},
                         {"root", e.key.root},
                         {"reproducible", e.key.reproducible},
                         {"ranks", e.size},
                         {"cores", e.conditions.caps.cpus},
                         {"reason", reason_text(e)},  // of the price, whatever is forced
                         {"forced", forced.empty() ? nlohmann::json() : nlohmann::json(forced)},
                         {"candidates", nlohmann::json::array()}};
  for (const Explanation::Row& row : e.rows) {
    nlohmann::json regimes;
    for (std::size_t k = 0; k < e.regimes.size(); ++k)
      regimes[std::string(e.regimes[k].name)] = row.prices[k] * 1e6;
    json["candidates"].push_back({{"algorithm", row.variant.name()},
                                  {"chosen", row.chosen},
                                  {"predicted_us", row.seconds * 1e6},
                                  {"regimes_us", regimes},
                                  {"latency_us", row.parts.latency_s * 1e6},
                                  {"movement_us", row.parts.movement_s * 1e6},
                                  {"reduction_us", row.parts.reduction_s * 1e6},
                                  {"sharing_us", row.parts.sharing_s * 1e6},
                                  {"messages", row.traffic.messages},
                                  {"message_bytes", row.traffic.bytes},
                                  {"reduced_bytes", row.traffic.reduced_bytes},
                                  {"tiles", row.traffic.tiles},
                                  {"in_order", row.in_order},
                                  {"canonical", row.canonical}});
  }
  return json;
}

/// The text of one rank count; what it says as data is appended to `json`. `forced`: by TUTTI_ALGO.
std::string Explain::explain_one(const Explanation& e, const std::string& forced,
                                 nlohmann::json& json) const {
  json.push_back(json_of(e, forced));
  std::string text = explanation_text(e);
  if (!forced.empty())
    text += fmt::format("TUTTI_ALGO is set: calls take {} all the same.\n", forced);
  if (asks_for_all(algorithms_) && draw_.empty()) return text;
  if (asks_for_all(algorithms_) || asks_for_auto(algorithms_))
    return text + plans_of(e, forced.empty() ? e.rows[0].variant
                                             : variant_named(e.key.collective, forced, e.size));
  for (const std::string& name : algorithms_)
    text += plans_of(e, variant_named(e.key.collective, name, e.size));
  return text;
}

int Explain::run() {
  std::optional<OutputFile> file;
  if (!json_.empty()) file.emplace("--json", json_);
  const int cpus = usable_cpus();
  std::vector<int> ranks = ranks_;
  if (ranks.empty()) ranks = {cpus};
  const Environment environment = read_environment();
  const ForcedAlgorithms forced = parse_forced(environment.algorithm.value_or(""));
  nlohmann::json all = nlohmann::json::array();
  std::string text;
  for (const int n : ranks) {
    CallKey key = key_for(n);
    key.reproducible = environment.reproducible && traits_of(key.collective).reduces;
    check_names(algorithms_, n, key.collective);
    text += text.empty() ? "" : "\n";
    const Caps caps = shm_caps(n, cpus, environment.cross_memory);
    const std::string& name = forced[static_cast<std::size_t>(key.collective)];
    if (!name.empty()) variant_named(key.collective, name, n);  // throws where there is none
    text += explain_one(explain(key, n, {.caps = caps}), name, all);
  }
  if (json_ != "-") fmt::print("{}", text);
  if (file) file->write(json_text({{"explanations", all}}, 2) + "\n");
  return 0;
}

}  // namespace

std::unique_ptr<Subcommand> make_explain() { return std::make_unique<Explain>(); }

}  // namespace tutti

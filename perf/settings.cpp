#include "perf/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>

#include "tools/options.h"

namespace tutti {
namespace {

bool says_all(const std::vector<std::string>& words) {
  return words.size() == 1 && words[0] == "all";
}

template <class Row>
std::string known_names(std::span<const Row> rows) {
  std::string names;
  for (const Row& row : rows) names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
  return names;
}

const CollectiveName& collective_of(const SweepSettings& settings) {
  const CollectiveName* found = find_collective(settings.collective);
  if (found == nullptr)
    throw UsageError(fmt::format("COLLECTIVE: '{}' is not one of {}, all", settings.collective,
                                 known_names(collective_names())));
  return *found;
}

std::vector<const DtypeName*> dtypes_of(const SweepSettings& settings) {
  std::vector<const DtypeName*> dtypes;
  if (says_all(settings.dtypes)) {
    for (const DtypeName& row : dtype_names()) dtypes.push_back(&row);
    return dtypes;
  }
  for (const std::string& name : settings.dtypes) {
    const DtypeName* found = find_dtype(name);
    if (found == nullptr)
      throw UsageError(
          fmt::format("--datatype: '{}' is not one of {}, all", name, known_names(dtype_names())));
    dtypes.push_back(found);
  }
  return dtypes;
}

std::vector<const OpName*> ops_of(const SweepSettings& settings) {
  if (!collective_of(settings).reduces) return {nullptr};
  std::vector<const OpName*> ops;
  if (says_all(settings.ops)) {
    for (const OpName& row : op_names()) ops.push_back(&row);
    return ops;
  }
  for (const std::string& name : settings.ops) {
    const OpName* found = find_op(name);
    if (found == nullptr)
      throw UsageError(
          fmt::format("--op: '{}' is not one of {}, all", name, known_names(op_names())));
    ops.push_back(found);
  }
  return ops;
}

constexpr std::array kFormsNames{"no", "yes", "both"};

std::string name_of(Forms forms) { return kFormsNames[static_cast<std::size_t>(forms)]; }

Forms forms_named(const std::string& name) {
  const auto found = std::ranges::find(kFormsNames, name);
  return static_cast<Forms>(found - kFormsNames.begin());
}
}  // namespace

std::vector<bool> listed(Forms forms) {
  if (forms == Forms::kBoth) return {false, true};
  return {forms == Forms::kYes};
}

std::vector<SweepSettings> parts_of(const SweepSettings& settings) {
  if (settings.collective != "all") return {settings};
  std::vector<SweepSettings> parts;
  for (const CollectiveName& row : collective_names()) {
    parts.push_back(settings);
    parts.back().collective = row.name;
  }
  return parts;
}

void check_settings(const SweepSettings& settings) {
  check_alone("--algo", settings.algorithms, {"all", "auto"});
  check_order("--minbytes", settings.min_bytes, "--maxbytes", settings.max_bytes);
  constexpr auto kMost = static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max());
  if (settings.max_bytes > kMost)
    throw UsageError(
        fmt::format("--maxbytes: {} is more than memory can hold", settings.max_bytes));
  constexpr std::size_t kMostSizes = 10'000;
  const std::size_t range = settings.max_bytes - settings.min_bytes;
  if (settings.step_bytes != 0 && range / settings.step_bytes >= kMostSizes)
    throw UsageError(fmt::format("--stepbytes: steps of {} from {} to {} are more than {} sizes",
                                 settings.step_bytes, settings.min_bytes, settings.max_bytes,
                                 kMostSizes));
  const std::string& algorithm = settings.algorithms[0];
  if (settings.collective == "all" && algorithm != "all" && algorithm != "auto")
    throw UsageError(fmt::format(
        "--algo: '{}' is one collective's: with COLLECTIVE all give all or auto", algorithm));
  if (settings.reproducible && algorithm != "all" && algorithm != "auto")
    throw UsageError(fmt::format(
        "--reproducible: it is compared with the chosen algorithm, so --algo '{}' must be all or "
        "auto",
        algorithm));
  for (const SweepSettings& part : parts_of(settings)) sweep_arithmetics(part);
  for (const int ranks : settings.ranks) check_world(settings, ranks);
}

void check_world(const SweepSettings& settings, int ranks) {
  if (settings.root >= ranks)
    throw UsageError(fmt::format("--root: there is no rank {} among {} ranks (0 to {})",
                                 settings.root, ranks, ranks - 1));
  if (ranks % settings.threads != 0)
    throw UsageError(fmt::format("--nthreads: {} ranks are not divisible by {} threads a process",
                                 ranks, settings.threads));
}

std::vector<std::size_t> sweep_sizes(const SweepSettings& settings) {
  if (!collective_of(settings).moves_data()) return {0};
  std::vector<std::size_t> sizes;
  for (std::size_t bytes = settings.min_bytes; bytes <= settings.max_bytes;) {
    sizes.push_back(bytes);
    // From 0 a factor leads nowhere: 1 comes next.
    const std::size_t next = settings.step_bytes != 0
                                 ? bytes + settings.step_bytes
                                 : std::max<std::size_t>(bytes * settings.step_factor, 1);
    if (next <= bytes) break;  // overflow
    bytes = next;
  }
  return sizes;
}

std::size_t block_count(const CollectiveName& collective, std::size_t size,
                        std::size_t element_bytes, int ranks) {
  if (!collective.is_in_vectors()) return size / element_bytes;
  const std::size_t vector = element_bytes * static_cast<std::size_t>(ranks);
  return size == 0 ? 0 : std::max<std::size_t>(size / vector, 1);
}

std::size_t largest_array(const SweepSettings& settings, int ranks) {
  constexpr std::size_t kLongestElement = 8;
  const std::size_t least = kLongestElement * static_cast<std::size_t>(ranks);
  std::size_t longest = 0;
  for (const SweepSettings& part : parts_of(settings)) {
    const std::size_t largest = sweep_sizes(part).back();
    const bool raised = largest > 0 && collective_of(part).is_in_vectors();
    longest = std::max(longest, raised ? std::max(largest, least) : largest);
  }
  return longest;
}

std::vector<Arithmetic> sweep_arithmetics(const SweepSettings& settings) {
  if (!collective_of(settings).moves_data()) return {{find_dtype("f32"), nullptr}};
  const bool picks = says_all(settings.dtypes) || says_all(settings.ops);
  std::vector<Arithmetic> pairs;
  for (const DtypeName* dtype : dtypes_of(settings)) {
    for (const OpName* op : ops_of(settings)) {
      const bool scanned_average =
          op != nullptr && op->value == TUTTI_AVG && collective_of(settings).scans;
      if (!scanned_average && (op == nullptr || op_takes(*op, *dtype)))
        pairs.push_back({dtype, op});
      else if (scanned_average && !picks)
        throw UsageError("--op: avg: a scan has no number of ranks to divide by");
      else if (!picks)
        throw UsageError(
            fmt::format("--op: '{}' takes integers only, not {}", op->name, dtype->name));
    }
  }
  if (pairs.empty())
    throw UsageError(fmt::format("--op: '{}' and --datatype '{}' do not go together",
                                 fmt::join(settings.ops, ","), fmt::join(settings.dtypes, ",")));
  return pairs;
}

void to_json(nlohmann::json& json, const SweepSettings& settings) {
  json = {
      {"collective", settings.collective},
      {"ranks", settings.ranks},
      {"iters", settings.iters},
      {"minbytes", settings.min_bytes},
      {"maxbytes", settings.max_bytes},
      {"stepfactor", settings.step_factor},
      {"stepbytes", settings.step_bytes},
      {"warmup_iters", settings.warmup},
      {"check", settings.check},
      {"op", settings.ops},
      {"datatype", settings.dtypes},
      {"root", settings.root},
      {"nthreads", settings.threads},
      {"average", settings.average},
      {"local_register", name_of(settings.registered)},
      {"in_place", name_of(settings.in_place)},
      {"algo", settings.algorithms},
      {"budget_s", settings.budget_s},
      {"seed", settings.seed},
      {"timeout_s", settings.timeout_s},
      {"bind_to", settings.bind_to},
      {"report_bindings", settings.report_bindings},
      {"overlap", settings.overlap},
      {"reproducible", settings.reproducible},
  };
}

void from_json(const nlohmann::json& json, SweepSettings& settings) {
  json.at("collective").get_to(settings.collective);
  json.at("ranks").get_to(settings.ranks);
  json.at("iters").get_to(settings.iters);
  json.at("minbytes").get_to(settings.min_bytes);
  json.at("maxbytes").get_to(settings.max_bytes);
  json.at("stepfactor").get_to(settings.step_factor);
  json.at("stepbytes").get_to(settings.step_bytes);
  json.at("warmup_iters").get_to(settings.warmup);
  json.at("check").get_to(settings.check);
  json.at("op").get_to(settings.ops);
  json.at("datatype").get_to(settings.dtypes);
  json.at("root").get_to(settings.root);
  json.at("nthreads").get_to(settings.threads);
  json.at("average").get_to(settings.average);
  settings.registered = forms_named(json.at("local_register").get<std::string>());
  settings.in_place = forms_named(json.at("in_place").get<std::string>());
  json.at("algo").get_to(settings.algorithms);
  json.at("budget_s").get_to(settings.budget_s);
  json.at("seed").get_to(settings.seed);
  json.at("timeout_s").get_to(settings.timeout_s);
  json.at("bind_to").get_to(settings.bind_to);
  json.at("report_bindings").get_to(settings.report_bindings);
  json.at("overlap").get_to(settings.overlap);
  json.at("reproducible").get_to(settings.reproducible);
}

}  // namespace tutti

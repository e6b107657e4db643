#include "collectives/algorithms.h"

#include <charconv>

#include "collectives/algorithms/generators.h"
#include "kernels/error.h"

namespace tutti {
namespace {

constexpr Algorithm kAlgorithms[] = {
    {Collective::kAllReduce, "parameter_server", all_reduce_parameter_server, true},
    {Collective::kAllReduce, "naive", all_reduce_naive},
    {Collective::kAllReduce, "one_shot", all_reduce_one_shot},
    {Collective::kAllReduce, "two_shot", all_reduce_two_shot},
    {Collective::kAllReduce, "ring", all_reduce_ring},
    {Collective::kAllReduce, "recursive_doubling", all_reduce_recursive_doubling},
    {Collective::kAllReduce, "rabenseifner", all_reduce_rabenseifner},
    {Collective::kAllReduce, "double_binary_tree", all_reduce_double_binary_tree},
    {Collective::kBroadcast, "binomial", broadcast_binomial},
    {Collective::kBroadcast, "flat", broadcast_flat},
    {Collective::kBroadcast, "chain", broadcast_chain},
    {Collective::kBroadcast, "scatter_all_gather", broadcast_scatter_all_gather},
    {Collective::kBarrier, "dissemination", barrier_dissemination},
    {Collective::kReduce, "binomial", reduce_binomial},
    {Collective::kReduce, "chain", reduce_chain},
    {Collective::kReduce, "flat", reduce_flat},
    {Collective::kReduce, "two_shot", reduce_two_shot},
    {Collective::kReduceScatter, "direct", reduce_scatter_direct},
    {Collective::kReduceScatter, "ring", reduce_scatter_ring},
    {Collective::kReduceScatter, "recursive_halving", reduce_scatter_recursive_halving},
    {Collective::kAllGather, "direct", all_gather_direct},
    {Collective::kAllGather, "ring", all_gather_ring},
    {Collective::kAllGather, "bruck", all_gather_bruck},
    {Collective::kAllGather, "recursive_doubling", all_gather_recursive_doubling},
    {Collective::kGather, "flat", gather_flat},
    {Collective::kGather, "binomial", gather_binomial},
    {Collective::kScatter, "flat", scatter_flat},
    {Collective::kScatter, "binomial", scatter_binomial},
    {Collective::kAllToAll, "direct", all_to_all_direct},
    {Collective::kAllToAll, "pairwise", all_to_all_pairwise},
    {Collective::kAllToAll, "bruck", all_to_all_bruck},
    {Collective::kScan, "chain", scan_chain},
    {Collective::kScan, "recursive_doubling", scan_recursive_doubling},
    {Collective::kExclusiveScan, "chain", exclusive_scan_chain},
    {Collective::kExclusiveScan, "recursive_doubling", exclusive_scan_recursive_doubling},
};

const Algorithm* find(Collective collective, std::string_view name) {
  for (const Algorithm& a : kAlgorithms) {
    if (a.collective == collective && a.name == name) return &a;
  }
  return nullptr;
}

constexpr std::string_view kShards = "/shards=";

// The k of "/shards=k"; 0 if it is anything else.
int shards_of(std::string_view parameters) {
  if (!parameters.starts_with(kShards)) return 0;
  const std::string_view digits = parameters.substr(kShards.size());
  int shards = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), shards);
  return error == std::errc{} && end == digits.data() + digits.size() ? shards : 0;
}

[[noreturn]] void fail_unknown(Collective collective, std::string_view name, int size) {
  std::string text = "no algorithm \"" + std::string(name) + "\" for " +
                     std::string(name_of(collective)) + " on " + std::to_string(size) +
                     " ranks; there are";
  const char* separator = " ";
  for (const Variant& v : variants(collective, size)) {
    text += separator + v.name();
    separator = ", ";
  }
  throw Error(TUTTI_NOT_FOUND, text);
}

// Alone, the result is the input; an op's scaling before and after still happens.
Plan alone(const Shape& shape) {
  PlanBuilder b(shape, 1);
  const CollectiveTraits& traits = traits_of(shape.collective);
  if (!traits.reduces) b.moves_only();
  if (traits.scan == Scan::kNone) b.canonical();
  const bool has_result = traits.output != Extent::kNone && traits.scan != Scan::kExclusive;
  const bool finishes = traits.reduces && traits.scan == Scan::kNone;
  if (has_result && (traits.reduces || !shape.in_place))
    b.tiles([&] { b.copy(b.all_out(), b.all_in()).finish = finishes; });
  return b.finish();
}

}  // namespace

std::span<const Algorithm> algorithms() { return kAlgorithms; }

std::string Variant::name() const {
  std::string text(algorithm->name);
  if (shards > 1) text += std::string(kShards) + std::to_string(shards);
  return text;
}

std::vector<Variant> variants(Collective collective, int size) {
  std::vector<Variant> all;
  for (const Algorithm& a : kAlgorithms) {
    if (a.collective != collective) continue;
    all.push_back({&a, 1});
    if (a.takes_shards && size > 2) all.push_back({&a, 2});
  }
  return all;
}

Variant variant_named(Collective collective, std::string_view name, int size) {
  const std::size_t slash = name.find('/');
  const Algorithm* algorithm = find(collective, name.substr(0, slash));
  if (algorithm == nullptr) fail_unknown(collective, name, size);
  if (slash == std::string_view::npos) return {algorithm, 1};

  const int shards = algorithm->takes_shards ? shards_of(name.substr(slash)) : 0;
  if (shards < 1 || shards > size) fail_unknown(collective, name, size);
  if (shards == size && size > 1) return {find(collective, "two_shot"), 1};  // the same data flow
  return {algorithm, shards};
}

Plan make_plan(const Variant& variant, const Shape& shape) {
  Shape full = shape;
  full.collective = variant.algorithm->collective;
  full.shards = variant.shards;
  if (full.size == 1) return alone(full);
  return variant.algorithm->generate(full);
}

}  // namespace tutti

#include "collectives/launch.h"

#include <utility>

#include "collectives/hash.h"

namespace tutti {
namespace {

// Above this many bytes a vector does not stay in a core's caches anyway, and streaming stores save
// the read of each line before it is written.
constexpr std::size_t kStreamedVectorBytes = std::size_t{8} << 20;

// Everything that the ranks must agree on. Two calls that differ get different hashes (but for one
// chance in 2³²), which is how a mismatch is seen before any byte is reduced.
std::uint32_t hash_of(const CallRecord& r) {
  std::uint64_t h = mix(0, static_cast<std::uint64_t>(r.collective));
  h = mix(h, static_cast<std::uint64_t>(r.dtype));
  h = mix(h, r.op);
  h = mix(h, static_cast<std::uint64_t>(r.root));
  h = mix(h, r.algorithm);
  h = mix(h, r.reproducible);
  return static_cast<std::uint32_t>(mix(h, r.count));
}

std::uint32_t algorithm_id(const Variant& v) {
  const auto row = static_cast<std::uint32_t>(v.algorithm - algorithms().data());
  return row << 16 | static_cast<std::uint32_t>(v.shards & 0xffff);
}

CallRecord record_of(const CallKey& key, const Variant& variant) {
  CallRecord r;
  r.collective = static_cast<std::int32_t>(key.collective);
  r.count = key.count;
  const CollectiveTraits& traits = traits_of(key.collective);
  r.dtype = traits.output == Extent::kNone ? -1 : static_cast<std::int32_t>(key.dtype);
  r.op = traits.reduces ? key.op : 0;
  r.root = traits.rooted ? key.root : -1;
  r.algorithm = algorithm_id(variant);
  r.reproducible = key.reproducible;
  r.hash = hash_of(r);
  return r;
}

}  // namespace

std::unique_ptr<const Launch> make_launch(const CallKey& key, const ReduceOp& op,
                                          const Variant& variant, std::string forced,
                                          const Transport& transport) {
  auto launch = std::make_unique<Launch>();
  launch->key = key;
  launch->forced = std::move(forced);
  launch->plan = make_plan(variant, {.rank = transport.rank(),
                                     .size = transport.size(),
                                     .root = key.root,
                                     .in_place = key.in_place,
                                     .pre_scaled = op.pre_scaled,
                                     .reproducible = key.reproducible,
                                     .shards = variant.shards});
  launch->element_bytes = size_of(key.dtype);
  const std::uint32_t trips = trips_for(launch->plan, key.count, launch->element_bytes,
                                        transport.caps().scratch_bytes, kTileBytes);
  launch->geometry = Geometry(launch->plan, key.count, trips);
  launch->fold = reduce_kernel(key.dtype, op.combine, ReduceShape::kFold);
  launch->balanced = reduce_kernel(key.dtype, op.combine, ReduceShape::kBalanced);
  launch->function = op.function;
  if (op.pre_scaled) launch->scale = scale_kernel(key.dtype);
  launch->scalar = op.scalar;
  if (op.average) launch->finish.divisor = static_cast<std::uint32_t>(transport.size());
  if (key.count * launch->plan.output_blocks * launch->element_bytes >= kStreamedVectorBytes) {
    launch->output_stores = Stores::kStreaming;
  }
  launch->record = record_of(key, variant);
  return launch;
}

}  // namespace tutti

// The collective calls.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "collectives/c_api/buffers.h"
#include "collectives/c_api/door.h"
#include "collectives/c_api/forms.h"

namespace tutti {
namespace {

void check_root(int32_t root, int size) {
  if (root >= 0 && root < size) return;
  invalid("root is " + std::to_string(root) + ", but ranks are 0 … " + std::to_string(size - 1));
}

// Any call that has buffers. A template, so that each call checks only what it has.
template <Collective collective>
tutti_status call(const void* send, void* recv, std::size_t count, tutti_dtype dtype_value,
                  tutti_op op, std::int32_t root, tutti_comm* comm,
                  const tutti_options* options) noexcept {
  return named_call(name_of(collective), comm, [&](Communicator& c) {
    constexpr CollectiveTraits traits = traits_of(collective);
    if (traits.rooted) check_root(root, c.size());
    if (traits.scan != Scan::kNone && op == TUTTI_AVG)
      invalid("op avg: a scan has no number of ranks to divide by");
    const Dtype dtype = checked_dtype(dtype_value);
    const std::size_t block = checked_bytes(count, dtype);
    const Given in = given("send", send, traits.input_blocks(c.size(), c.rank(), root), block);
    const Given out = given("recv", recv, traits.output_blocks(c.size(), c.rank(), root), block);
    check_given(c, out);
    check_given(c, in);
    const InPlace form = in_place_form(collective, block, c.rank());
    check_overlap(in, out, form);
    const bool both = in.data != nullptr && out.data != nullptr;
    Call call{.key = {.collective = collective,
                      .dtype = dtype,
                      .in_place = both && is_in_place(in, out, form),
                      .root = root,
                      .count = count,
                      .op = op},
              .buffers = {static_cast<const std::byte*>(in.data),
                          static_cast<std::byte*>(out.data == nullptr ? nullptr : recv)}};
    perform(comm, c, call, manner_of(options));
  });
}

CallKey checked_key(tutti_collective collective, std::size_t count, tutti_dtype dtype,
                    tutti_op op) {
  if (collective < 0 || collective >= kCollectives) {
    invalid("unknown collective " + std::to_string(collective));
  }
  CallKey key{.collective = static_cast<Collective>(collective), .count = count, .op = op};
  const CollectiveTraits& traits = traits_of(key.collective);
  if (traits.output == Extent::kNone) return {.collective = key.collective};
  key.dtype = checked_dtype(dtype);
  checked_bytes(count, key.dtype);
  if (!traits.reduces) key.op = TUTTI_SUM;
  return key;
}

}  // namespace
}  // namespace tutti

using namespace tutti;  // NOLINT: this file is the C side

tutti_status tutti_all_reduce(const void* send, void* recv, size_t count, tutti_dtype dtype,
                              tutti_op op, tutti_comm* comm, const tutti_options* options) {
  return call<Collective::kAllReduce>(send, recv, count, dtype, op, 0, comm, options);
}

tutti_status tutti_broadcast(const void* send, void* recv, size_t count, tutti_dtype dtype,
                             int32_t root, tutti_comm* comm, const tutti_options* options) {
  return call<Collective::kBroadcast>(send, recv, count, dtype, TUTTI_SUM, root, comm, options);
}

tutti_status tutti_reduce(const void* send, void* recv, size_t count, tutti_dtype dtype,
                          tutti_op op, int32_t root, tutti_comm* comm,
                          const tutti_options* options) {
  return call<Collective::kReduce>(send, recv, count, dtype, op, root, comm, options);
}

tutti_status tutti_reduce_scatter(const void* send, void* recv, size_t recv_count,
                                  tutti_dtype dtype, tutti_op op, tutti_comm* comm,
                                  const tutti_options* options) {
  return call<Collective::kReduceScatter>(send, recv, recv_count, dtype, op, 0, comm, options);
}

tutti_status tutti_all_gather(const void* send, void* recv, size_t send_count, tutti_dtype dtype,
                              tutti_comm* comm, const tutti_options* options) {
  return call<Collective::kAllGather>(send, recv, send_count, dtype, TUTTI_SUM, 0, comm, options);
}

tutti_status tutti_gather(const void* send, void* recv, size_t send_count, tutti_dtype dtype,
                          int32_t root, tutti_comm* comm, const tutti_options* options) {
  return call<Collective::kGather>(send, recv, send_count, dtype, TUTTI_SUM, root, comm, options);
}

tutti_status tutti_scatter(const void* send, void* recv, size_t recv_count, tutti_dtype dtype,
                           int32_t root, tutti_comm* comm, const tutti_options* options) {
  return call<Collective::kScatter>(send, recv, recv_count, dtype, TUTTI_SUM, root, comm, options);
}

tutti_status tutti_all_to_all(const void* send, void* recv, size_t count, tutti_dtype dtype,
                              tutti_comm* comm, const tutti_options* options) {
  return call<Collective::kAllToAll>(send, recv, count, dtype, TUTTI_SUM, 0, comm, options);
}

tutti_status tutti_scan(const void* send, void* recv, size_t count, tutti_dtype dtype, tutti_op op,
                        tutti_comm* comm, const tutti_options* options) {
  return call<Collective::kScan>(send, recv, count, dtype, op, 0, comm, options);
}

tutti_status tutti_exclusive_scan(const void* send, void* recv, size_t count, tutti_dtype dtype,
                                  tutti_op op, tutti_comm* comm, const tutti_options* options) {
  return call<Collective::kExclusiveScan>(send, recv, count, dtype, op, 0, comm, options);
}

tutti_status tutti_barrier(tutti_comm* comm, const tutti_options* options) {
  return named_call(name_of(Collective::kBarrier), comm, [&](Communicator& c) {
    Call call{.key = {.collective = Collective::kBarrier, .in_place = true}};
    perform(comm, c, call, manner_of(options));
  });
}

tutti_status tutti_candidate(tutti_collective collective, size_t count, tutti_dtype dtype,
                             tutti_op op, tutti_comm* comm, size_t index,
                             tutti_candidate_info* info) {
  return using_it(comm, [&](Communicator& c) {
    require(info, "info");
    const tutti_candidate_info old =
        read_struct<tutti_candidate_info>(info, TUTTI_CANDIDATE_INFO_INIT, "info");
    CallKey key = checked_key(collective, count, dtype, op);
    key.reproducible = traits_of(key.collective).reduces && c.reproducible();
    const auto found = c.candidate(key, index);
    if (!found) throw Error(TUTTI_NOT_FOUND, "no candidate " + std::to_string(index));
    const tutti_candidate_info filled{old.struct_size, found->name, found->seconds,
                                      found->chosen ? 1 : 0};
    std::memcpy(info, &filled, old.struct_size < sizeof filled ? old.struct_size : sizeof filled);
  });
}

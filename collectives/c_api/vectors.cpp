// The collective calls whose counts differ by rank.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "collectives/c_api/buffers.h"
#include "collectives/c_api/door.h"
#include "collectives/c_api/forms.h"
#include "collectives/call_blocks.h"

namespace tutti {
namespace {

/// A buffer as its caller gives it: one block, or a list of them. The names are those of the
/// arguments.
struct Side {
  const char* name;  // of the buffer
  const void* data;
  const std::size_t* counts = nullptr;  // null: one block
  const std::size_t* displs = nullptr;  // null: packed
  const char* counts_name = "";
  const char* displs_name = "";
  std::size_t count = 0;  // of the one block
};

std::string element_name(const char* name, std::size_t k) {
  return std::string(name) + "[" + std::to_string(k) + "]";
}

void add_block(CallBlocks::Lists& lists, std::size_t length, std::size_t offset) {
  lists.lengths.push_back(length);
  lists.offsets.push_back(offset);
}

/// Lists the blocks of a side that has `blocks`, and returns the elements up to the end of the last.
std::size_t list(const Side& side, int blocks, Dtype dtype, CallBlocks::Lists& lists) {
  lists.lengths.clear();
  lists.offsets.clear();
  if (blocks == 0) return 0;
  if (side.counts == nullptr && side.counts_name[0] != '\0')
    invalid(std::string(side.counts_name) + " is NULL");
  if (side.counts == nullptr) {
    add_block(lists, side.count, 0);
    return side.count;
  }
  std::size_t packed = 0, end = 0;
  for (std::size_t k = 0; k < static_cast<std::size_t>(blocks); ++k) {
    const std::size_t length = side.counts[k];
    const std::size_t offset = side.displs == nullptr ? packed : side.displs[k];
    std::size_t here = 0;
    if (length > PTRDIFF_MAX)
      invalid(element_name(side.counts_name, k) + " is negative or absurd: " +
              std::to_string(static_cast<std::ptrdiff_t>(length)));
    if (__builtin_add_overflow(offset, length, &here) || here > PTRDIFF_MAX / size_of(dtype))
      invalid(element_name(side.displs == nullptr ? side.counts_name : side.displs_name, k) +
              ": the block ends past the address space");
    packed = here;
    end = std::max(end, length == 0 ? 0 : here);
    add_block(lists, length, offset);
  }
  return end;
}

/// Refuses blocks that overlap: two ranks would write there.
void check_apart(const Side& side, const CallBlocks::Lists& lists) {
  if (side.displs == nullptr) return;
  std::size_t end = 0;
  bool ascending = true;
  for (std::size_t k = 0; k < lists.lengths.size() && ascending; ++k) {
    if (lists.lengths[k] == 0) continue;
    ascending = lists.offsets[k] >= end;
    end = lists.offsets[k] + lists.lengths[k];
  }
  if (ascending) return;
  std::vector<std::size_t> order;
  for (std::size_t k = 0; k < lists.lengths.size(); ++k)
    if (lists.lengths[k] > 0) order.push_back(k);
  std::ranges::sort(order, {}, [&](std::size_t k) { return lists.offsets[k]; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const std::size_t before = order[i - 1], after = order[i];
    if (lists.offsets[before] + lists.lengths[before] > lists.offsets[after])
      invalid("blocks " + std::to_string(std::min(before, after)) + " and " +
              std::to_string(std::max(before, after)) + " of " + side.name + " overlap");
  }
}

/// Where the two buffers of a rank meet in place: the block with its number, if one is a list.
InPlace in_place_form(const CallBlocks& blocks, std::size_t in, std::size_t out, int rank,
                      Dtype dtype) {
  const auto own = static_cast<std::size_t>(rank);
  if (in > 1 && out > 1)
    return {.offered = false, .how = "there is no in-place form; give separate buffers"};
  if (in > 1)
    return {.input = blocks.input.offsets[own] * size_of(dtype),
            .how = "recv must be this rank's block of send, or apart from send"};
  if (out > 1)
    return {.output = blocks.output.offsets[own] * size_of(dtype),
            .how = "send must be this rank's block of recv, or apart from recv"};
  return {};
}

template <Collective collective>
tutti_status call(const Side& send, const Side& recv, tutti_dtype dtype_value, tutti_op op,
                  std::int32_t root, tutti_comm* comm, const tutti_options* options) noexcept {
  return named_call(name_of(collective), comm, [&](Communicator& c) {
    constexpr CollectiveTraits traits = traits_of(collective);
    if (traits.rooted && (root < 0 || root >= c.size()))
      invalid("root is " + std::to_string(root) + ", but ranks are 0 … " +
              std::to_string(c.size() - 1));
    const Dtype dtype = checked_dtype(dtype_value);
    CallBlocks* const blocks = &c.call_blocks();
    const int ins = traits.input_blocks(c.size(), c.rank(), root);
    const int outs = traits.output_blocks(c.size(), c.rank(), root);
    const std::size_t in_end = list(send, ins, dtype, blocks->input);
    const std::size_t out_end = list(recv, outs, dtype, blocks->output);
    const Given in{send.name, ins == 0 ? nullptr : send.data, checked_bytes(in_end, dtype)};
    const Given out{recv.name, outs == 0 ? nullptr : recv.data, checked_bytes(out_end, dtype)};
    check_given(c, out);
    check_given(c, in);
    check_apart(recv, blocks->output);
    const InPlace form = in_place_form(*blocks, static_cast<std::size_t>(ins),
                                       static_cast<std::size_t>(outs), c.rank(), dtype);
    check_overlap(in, out, form);
    const auto& known = traits.input == Extent::kVector ? blocks->input : blocks->output;
    const bool both = in.data != nullptr && out.data != nullptr;
    Call call{.key = {.collective = collective,
                      .dtype = dtype,
                      .in_place = both && is_in_place(in, out, form),
                      .root = root,
                      .count = typical_length(collective, known.lengths),
                      .op = op},
              .buffers = {static_cast<const std::byte*>(in.data),
                          const_cast<std::byte*>(static_cast<const std::byte*>(out.data))},
              .blocks = blocks};
    perform(comm, c, call, manner_of(options));
  });
}

}  // namespace
}  // namespace tutti

using namespace tutti;  // NOLINT: this file is the C side

tutti_status tutti_all_gatherv(const void* send, size_t send_count, void* recv,
                               const size_t* recv_counts, const size_t* recv_displs,
                               tutti_dtype dtype, tutti_comm* comm, const tutti_options* options) {
  return call<Collective::kAllGatherV>(
      {.name = "send", .data = send, .count = send_count},
      {"recv", recv, recv_counts, recv_displs, "recv_counts", "recv_displs"}, dtype, TUTTI_SUM, 0,
      comm, options);
}

tutti_status tutti_reduce_scatterv(const void* send, void* recv, const size_t* counts,
                                   tutti_dtype dtype, tutti_op op, tutti_comm* comm,
                                   const tutti_options* options) {
  std::int32_t rank = 0;
  const tutti_status known = tutti_rank(comm, &rank);
  if (known != TUTTI_OK) return known;
  const std::size_t own = counts == nullptr ? 0 : counts[rank];
  return call<Collective::kReduceScatterV>({"send", send, counts, nullptr, "counts"},
                                           {.name = "recv", .data = recv, .count = own}, dtype, op,
                                           0, comm, options);
}

tutti_status tutti_gatherv(const void* send, size_t send_count, void* recv,
                           const size_t* recv_counts, const size_t* recv_displs, tutti_dtype dtype,
                           int32_t root, tutti_comm* comm, const tutti_options* options) {
  return call<Collective::kGatherV>(
      {.name = "send", .data = send, .count = send_count},
      {"recv", recv, recv_counts, recv_displs, "recv_counts", "recv_displs"}, dtype, TUTTI_SUM,
      root, comm, options);
}

tutti_status tutti_scatterv(const void* send, const size_t* send_counts, const size_t* send_displs,
                            void* recv, size_t recv_count, tutti_dtype dtype, int32_t root,
                            tutti_comm* comm, const tutti_options* options) {
  return call<Collective::kScatterV>(
      {"send", send, send_counts, send_displs, "send_counts", "send_displs"},
      {.name = "recv", .data = recv, .count = recv_count}, dtype, TUTTI_SUM, root, comm, options);
}

tutti_status tutti_all_to_allv(const void* send, const size_t* send_counts,
                               const size_t* send_displs, void* recv, const size_t* recv_counts,
                               const size_t* recv_displs, tutti_dtype dtype, tutti_comm* comm,
                               const tutti_options* options) {
  return call<Collective::kAllToAllV>(
      {"send", send, send_counts, send_displs, "send_counts", "send_displs"},
      {"recv", recv, recv_counts, recv_displs, "recv_counts", "recv_displs"}, dtype, TUTTI_SUM, 0,
      comm, options);
}

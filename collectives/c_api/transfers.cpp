// Messages between two ranks.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "collectives/c_api/buffers.h"
#include "collectives/c_api/door.h"
#include "collectives/c_api/forms.h"
#include "collectives/hash.h"
#include "kernels/names.h"

namespace tutti {
namespace {

// Both sides have the same; the count and dtype of the two must agree.
std::uint32_t hash_of(std::size_t count, tutti_dtype dtype) {
  return static_cast<std::uint32_t>(mix(mix(kSendCall, static_cast<std::uint64_t>(dtype)), count));
}

Transfer transfer(Communicator& c, const Given& buffer, bool outgoing, std::size_t count,
                  tutti_dtype dtype, std::int32_t peer) {
  if (peer < 0 || peer >= c.size()) {
    invalid(std::string(outgoing ? "the receiver" : "the sender") + " is " + std::to_string(peer) +
            ", but ranks are 0 … " + std::to_string(c.size() - 1));
  }
  check_given(c, buffer);
  return {.peer = peer,
          .outgoing = outgoing,
          .data = static_cast<std::byte*>(const_cast<void*>(buffer.data)),  // NOLINT: see Transfer
          .bytes = buffer.bytes,
          .record = {.count = count,
                     .collective = outgoing ? kSendCall : kRecvCall,
                     .dtype = dtype,
                     .root = c.world_rank_of(peer),
                     .hash = hash_of(count, dtype)}};
}

}  // namespace
}  // namespace tutti

using namespace tutti;  // NOLINT: this file is the C side

tutti_status tutti_send(const void* send, size_t count, tutti_dtype dtype, int32_t to,
                        tutti_comm* comm, const tutti_options* options) {
  return named_call("send", comm, [&](Communicator& c) {
    const Given given{"send", send, checked_bytes(count, checked_dtype(dtype))};
    perform(comm, c, std::array{transfer(c, given, true, count, dtype, to)}, manner_of(options));
  });
}

tutti_status tutti_recv(void* recv, size_t count, tutti_dtype dtype, int32_t from, tutti_comm* comm,
                        const tutti_options* options) {
  return named_call("recv", comm, [&](Communicator& c) {
    const Given given{"recv", recv, checked_bytes(count, checked_dtype(dtype))};
    perform(comm, c, std::array{transfer(c, given, false, count, dtype, from)}, manner_of(options));
  });
}

tutti_status tutti_send_recv(const void* send, size_t send_count, int32_t to, void* recv,
                             size_t recv_count, int32_t from, tutti_dtype dtype, tutti_comm* comm,
                             const tutti_options* options) {
  return named_call("send_recv", comm, [&](Communicator& c) {
    const Dtype type = checked_dtype(dtype);
    const Given out{"send", send, checked_bytes(send_count, type)};
    const Given in{"recv", recv, checked_bytes(recv_count, type)};
    check_overlap(out, in, {.offered = false, .how = "give separate buffers"});
    perform(comm, c,
            std::array{transfer(c, out, true, send_count, dtype, to),
                       transfer(c, in, false, recv_count, dtype, from)},
            manner_of(options));
  });
}

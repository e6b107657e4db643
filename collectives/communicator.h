// A communicator: a transport, the launches made on it so far, and what went wrong on it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "collectives/execute.h"
#include "collectives/launch.h"
#include "collectives/select.h"
#include "transport/bootstrap/environment.h"
#include "transport/transport.h"

namespace tutti {

/// One call: what all ranks agree on, and this rank's part.
struct Call {
  CallKey key{};
  Buffers buffers{};
  std::string_view algorithm{};                        // empty: chosen
  std::optional<std::chrono::milliseconds> timeout{};  // none: the communicator's
};

class Communicator {
 public:
  /// Joins the world. Collective. Throws as tutti_start() says.
  Communicator(const World& world, const Environment& environment);

  int rank() const { return transport_->rank(); }
  int size() const { return transport_->size(); }

  /// Runs a call to its end. Arguments have been checked, except `algorithm` and the op. A call
  /// that fails before it began (its plan cannot be made, but for want of memory) may be tried
  /// again; after any other failure every later call throws the same.
  void run(const Call& call);

  /// The op that a handle means. Throws TUTTI_INVALID.
  ReduceOp op_of(tutti_op handle, Dtype dtype) const;
  tutti_op create_pre_scaled(const void* scalar, Dtype dtype);
  void free_op(tutti_op handle);

  void* allocate(std::size_t bytes);
  void deallocate(void* pointer);
  /// Transport::registered().
  std::optional<std::size_t> registered(const void* pointer) const {
    return transport_->registered(pointer);
  }

  /// The candidates of a call, with their prices; names live as long as the communicator.
  struct Candidate {
    const char* name;
    double seconds;
    bool chosen;
  };
  std::optional<Candidate> candidate(const CallKey& key, std::size_t index);

 private:
  struct KeyHash {
    std::size_t operator()(const CallKey& key) const;
    std::size_t operator()(const ChoiceKey& key) const;
  };
  struct PreScaled {
    Dtype dtype;
    std::uint64_t scalar;
  };

  const Launch& launch_for(const Call& call);
  Variant variant_for(const Call& call, const ReduceOp& op);
  const Choice& choice_for(const ChoiceKey& key);
  void require_usable() const;
  void fail(const Error& cause);

  // Fixed after construction.
  const std::chrono::milliseconds default_timeout_;
  const ForcedAlgorithms forced_;
  const bool log_choices_;
  const std::unique_ptr<Transport> transport_;
  // Made beforehand: later there may be no memory for its text.
  const Error out_of_memory_{TUTTI_NO_MEMORY, "out of memory in the middle of a call"};

  // Changed by calls, by one thread at a time.
  Executor executor_;
  std::uint64_t sequence_ = 0;
  const Launch* last_ = nullptr;
  std::unordered_multimap<CallKey, std::unique_ptr<const Launch>, KeyHash> launches_;
  std::unordered_map<ChoiceKey, Choice, KeyHash> choices_;
  std::set<std::string> names_;  // of candidates; their addresses stay
  std::map<tutti_op, PreScaled> pre_scaled_;
  std::uint64_t ops_created_ = 0;
  std::optional<Error> failure_;
};

}  // namespace tutti

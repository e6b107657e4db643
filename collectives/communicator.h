// A communicator: a transport, the launches made on it so far, and what went wrong on it.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "collectives/execute.h"
#include "collectives/in_flight.h"
#include "collectives/launch.h"
#include "collectives/op_function.h"
#include "collectives/ops.h"
#include "collectives/progress.h"
#include "collectives/request.h"
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

class Communicator final : private CallWithFunction {
 public:
  /// Joins the world. Collective. Throws as tutti_start() says.
  Communicator(const World& world, const Environment& environment);
  /// What split() gives: the parent's settings, on other ranks.
  Communicator(const Communicator& parent, std::unique_ptr<Transport> transport);

  /// Those of this communicator that gave the same colour, in the order of their keys, of equals in
  /// that of their ranks; null for who gave none. Collective. Blocks. Throws the same everywhere.
  std::unique_ptr<Communicator> split(std::optional<int> colour, int key);

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// This rank in its world, by which errors name it.
  int world_rank() const { return transport_->world_rank(rank()); }
  int world_rank_of(int rank) const { return transport_->world_rank(rank); }
  /// Whether it is one that split() made.
  bool is_child() const { return is_child_; }
  /// How many communicators come from the same start, this one included.
  int relatives() const { return static_cast<int>(family_.use_count()); }

  /// Runs a call to its end. Arguments have been checked, except `algorithm` and the op. A call
  /// that fails before it began (its plan cannot be made, but for want of memory) may be tried
  /// again; after any other failure every later call throws the same.
  void run(const Call& call);
  /// Sends and receives, all at the same time. None: the communicator's timeout.
  void run(std::span<const Transfer> transfers, std::optional<std::chrono::milliseconds> timeout);

  /// The same in two parts, for calls that their caller does not wait for at once. What prepare()
  /// gives may be started again and again, each time after it was complete; it must stay meanwhile.
  std::unique_ptr<Request> prepare(const Call& call);
  std::unique_ptr<Request> prepare(std::span<const Transfer> transfers,
                                   std::optional<std::chrono::milliseconds> timeout);
  void start(Request& request);
  /// Whether it is complete, without waiting. Throws its failure.
  bool test(Request& request);
  /// Waits until it is complete. Throws its failure.
  void wait(Request& request);
  /// Passes some time while none of several requests is complete.
  void pause();
  /// Whether no call has failed so far that makes all later ones fail.
  bool is_usable() const { return !failure_; }

  /// From now on calls and messages are collected instead. At the end they are one request, in
  /// which small calls of a kind are fused.
  void begin_group();
  bool in_group() const { return in_group_; }
  void add_to_group(const Call& call);
  void add_to_group(std::span<const Transfer> transfers,
                    std::optional<std::chrono::milliseconds> timeout);
  /// Ends the group, and runs its calls to their ends or prepares them.
  void run_group();
  std::unique_ptr<Request> prepare_group();

  /// What the next call would throw, if no call has thrown it yet.
  std::optional<Error> unseen_failure();

  /// Whether reductions are to be reproducible where a call does not say so.
  bool reproducible() const { return reproducible_; }

  /// As Ops has them.
  tutti_op create_pre_scaled(const void* scalar, Dtype dtype) {
    return ops_.create_pre_scaled(scalar, dtype);
  }
  tutti_op create_op(tutti_op_function function, void* context, bool commutative) {
    return ops_.create({function, context, this}, commutative);
  }
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
  /// Mostly the last one.
  const std::shared_ptr<const Launch>& launch_for(const Call& call) {
    if (last_ == nullptr || last_->key != call.key || last_->forced != call.algorithm)
      last_ = find_launch(call);
    return last_;
  }
  const std::shared_ptr<const Launch>& find_launch(const Call& call);
  void fill(Request& request, std::span<const Transfer> transfers,
            std::optional<std::chrono::milliseconds> timeout) const;
  CallRecord next_record(const Launch& launch);
  void all_gather(std::span<const std::uint64_t> own, std::span<std::uint64_t> all);
  std::vector<ChannelOffer> exchange_offers(int size);
  static std::size_t fusible(std::span<const GroupCall> calls);
  void fuse(std::span<const GroupCall> calls, Part& part);
  void fill_from_group(Request& request);
  void end_group(Request& request);
  bool look(const Request& request);
  void settle(const Request& request);
  template <typename Body>
  void guarded(bool& began, Body body);
  ReduceOp op_of(const CallKey& key) const;
  Variant variant_for(const Call& call, const ReduceOp& op);
  const Choice& choice_for(const ChoiceKey& key);
  void require_usable() const;
  void fail(const Error& cause);
  void left(const Executor& executor) noexcept override;

  // Fixed after construction.
  const std::chrono::milliseconds default_timeout_;
  const ForcedAlgorithms forced_;
  const bool log_choices_;
  const bool reproducible_;
  const bool is_child_;
  const std::shared_ptr<Progress> family_;
  const std::unique_ptr<Transport> transport_;
  const int rank_, size_;
  // Made beforehand: later there may be no memory for its text.
  const Error out_of_memory_{TUTTI_NO_MEMORY, "out of memory in the middle of a call"};

  // Changed by calls, by one thread at a time.
  Executor executor_;
  std::uint64_t sequence_ = 0;   // of the calls that all ranks make
  std::uint64_t transfers_ = 0;  // sent or received
  // Shared: with requests that have been prepared.
  std::shared_ptr<const Launch> last_;
  std::unordered_multimap<CallKey, std::shared_ptr<const Launch>, KeyHash> launches_;
  std::unordered_map<ChoiceKey, Choice, KeyHash> choices_;
  std::set<std::string> names_;  // of candidates; their addresses stay
  Ops ops_;
  std::optional<Error> failure_;
  bool in_group_ = false;
  std::vector<GroupCall> group_;
  std::vector<std::shared_ptr<const Launch>> group_launches_;
  std::vector<std::pair<Transfer, std::chrono::milliseconds>> group_transfers_;  // and timeouts
  // Of messages and groups that are waited for at once. They keep their memory.
  Request blocking_, grouped_;

  InFlight in_flight_;  // guarded by family_'s lock
};

/// Does what may fail. Once `began`, peers are in the same call: they must not wait for this rank.
template <typename Body>
void Communicator::guarded(bool& began, Body body) {
  require_usable();
  try {
    body();
  } catch (const Error& e) {
    if (began) fail(e);  // else the caller is refused, and may try again
    throw;
  } catch (const std::bad_alloc&) {
    fail(out_of_memory_);
    throw out_of_memory_;
  } catch (const std::exception& e) {
    fail(Error(TUTTI_INTERNAL, e.what()));
    throw *failure_;
  }
}

}  // namespace tutti

#include "collectives/communicator.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>

#include "collectives/hash.h"
#include "kernels/names.h"

namespace tutti {
namespace {

// More different calls than this and the launches made so far are dropped: a program that changes
// its counts all the time must not grow.
constexpr std::size_t kMaxLaunches = 4096;

}  // namespace

std::size_t Communicator::KeyHash::operator()(const CallKey& key) const {
  const std::uint64_t h = mix((*this)(choice_key(key, {})), key.op);
  return mix(h, key.in_place);
}

std::size_t Communicator::KeyHash::operator()(const ChoiceKey& key) const {
  const std::uint64_t h = mix(static_cast<std::uint64_t>(key.collective), key.count);
  return mix(h, static_cast<std::uint64_t>(key.root) << 16 |
                    static_cast<std::uint64_t>(key.order) << 8 |
                    static_cast<std::uint64_t>(key.dtype) << 1 | key.pre_scaled);
}

Communicator::Communicator(const World& world, const Environment& environment)
    : default_timeout_(world.call_timeout),
      forced_(parse_forced(environment.algorithm.value_or(""))),
      log_choices_(world.rank == 0 && environment.tells()),
      reproducible_(environment.reproducible),
      is_child_(false),
      family_(std::make_shared<Progress>()),
      transport_(make_shm_transport(world)),
      rank_(transport_->rank()),
      size_(transport_->size()),
      executor_(*transport_),
      in_flight_(*transport_, *family_) {
  if (environment.progress_thread) family_->start_thread(transport_->pauser());
}

Communicator::Communicator(const Communicator& parent, std::unique_ptr<Transport> transport)
    : default_timeout_(parent.default_timeout_),
      forced_(parent.forced_),
      log_choices_(parent.log_choices_),
      reproducible_(parent.reproducible_),
      is_child_(true),
      family_(parent.family_),
      transport_(std::move(transport)),
      rank_(transport_->rank()),
      size_(transport_->size()),
      executor_(*transport_),
      in_flight_(*transport_, *family_) {}

void Communicator::require_usable() const {
  if (failure_) throw *failure_;
}

void Communicator::run(const Call& call) {
  bool began = false;
  guarded(began, [&] {
    const Launch& launch = *launch_for(call);
    began = true;
    const CallRecord record = next_record(launch);
    transport_->publish(record);
    executor_.start(launch, call.buffers, record, call.timeout.value_or(default_timeout_));
    while (!executor_.advance()) {
      bool moved = executor_.moved();
      if (family_->any()) {
        const auto lock = family_->lock();
        moved |= family_->advance();
      }
      moved ? transport_->busy() : transport_->idle();
    }
  });
}

CallRecord Communicator::next_record(const Launch& launch) {
  CallRecord record = launch.record;
  record.sequence = ++sequence_;
  record.hash = hash_of_turn(record.hash, record.sequence);
  return record;
}

void Communicator::fail(const Error& cause) {
  transport_->abandon(cause);
  failure_ = cause;
  const auto lock = family_->lock();
  in_flight_.fail(cause);
}

void Communicator::left(const Executor& executor) noexcept {
  if (&executor != &executor_) family_->unlock_after_jump();  // it was one of those in flight
  try {
    fail(Error(TUTTI_OP_FAILED, executor.call_text() + ": the op's function left it by longjmp()"));
  } catch (const std::bad_alloc&) {
    fail(out_of_memory_);
  }
}

std::unique_ptr<Request> Communicator::prepare(const Call& call) {
  bool began = false;
  auto request = std::make_unique<Request>();
  guarded(began, [&] {
    Part& part = request->parts.emplace_back();
    part.launch = launch_for(call);
    part.record = part.launch->record;
    part.buffers = call.buffers;
    part.timeout = call.timeout.value_or(default_timeout_);
  });
  return request;
}

void Communicator::fill(Request& request, std::span<const Transfer> transfers,
                        std::optional<std::chrono::milliseconds> timeout) const {
  request.parts.clear();
  for (const Transfer& transfer : transfers) {
    Part& part = request.parts.emplace_back();
    part.transfer = transfer;
    part.timeout = timeout.value_or(default_timeout_);
  }
}

std::unique_ptr<Request> Communicator::prepare(std::span<const Transfer> transfers,
                                               std::optional<std::chrono::milliseconds> timeout) {
  require_usable();
  auto request = std::make_unique<Request>();
  fill(*request, transfers, timeout);
  return request;
}

void Communicator::run(std::span<const Transfer> transfers,
                       std::optional<std::chrono::milliseconds> timeout) {
  fill(blocking_, transfers, timeout);
  start(blocking_);
  wait(blocking_);
}

void Communicator::start(Request& request) {
  bool began = true;
  guarded(began, [&] {
    const auto lock = family_->lock();
    for (Part& part : request.parts) {
      if (part.launch) {
        part.record.sequence = ++sequence_;
        part.record.hash = hash_of_request_turn(part.launch->record.hash, sequence_);
        transport_->publish(part.record);
      } else {
        part.transfer.record.sequence = ++transfers_;
        in_flight_.transfer_channel().publish(part.transfer.record);
      }
    }
    in_flight_.start(request);
  });
}

bool Communicator::test(Request& request) {
  if (!look(request)) return false;
  settle(request);
  return true;
}

void Communicator::wait(Request& request) {
  while (!look(request)) pause();
  settle(request);
}

/// Moves what can move. True if the request is complete.
bool Communicator::look(const Request& request) {
  const auto lock = family_->lock();
  if (request.complete()) return true;
  const bool moved = in_flight_.advance();
  if (request.complete()) return true;
  if (family_->advance(&in_flight_) || moved) transport_->busy();
  return false;
}

void Communicator::pause() {
  if (!transport_->pause()) return;
  const auto lock = family_->lock();
  in_flight_.look_around();
}

/// A request is complete: throws its failure. The next wait begins by spinning.
void Communicator::settle(const Request& request) {
  transport_->busy();
  if (!request.failure) return;
  if (!failure_) fail(*request.failure);
  throw *request.failure;
}

std::optional<Error> Communicator::unseen_failure() {
  return failure_ ? std::nullopt : transport_->fault();
}

const std::shared_ptr<const Launch>& Communicator::find_launch(const Call& call) {
  const auto [first, last] = launches_.equal_range(call.key);
  for (auto found = first; found != last; ++found) {
    if (found->second->forced == call.algorithm) return found->second;
  }
  const ReduceOp op = op_of(call.key);
  const Variant variant = variant_for(call, op);
  auto launch = make_launch(call.key, op, variant, std::string(call.algorithm), *transport_);
  if (log_choices_) {
    CallRecord record = launch->record;
    record.sequence = sequence_ + 1;  // the call that is about to run
    std::fprintf(stderr, "tutti: %s: %s\n", describe(record).c_str(), variant.name().c_str());
  }
  if (launches_.size() >= kMaxLaunches) launches_.clear();
  return launches_.emplace(call.key, std::move(launch))->second;
}

Variant Communicator::variant_for(const Call& call, const ReduceOp& op) {
  const Collective collective = call.key.collective;
  const std::string_view forced =
      !call.algorithm.empty() ? call.algorithm
                              : std::string_view(forced_[static_cast<std::size_t>(collective)]);
  const ChoiceKey key = choice_key(call.key, op);
  if (!forced.empty()) {
    try {
      const Variant variant = variant_named(collective, forced, size());
      require_serves(variant, key, size());
      return variant;
    } catch (const Error& e) {
      if (!call.algorithm.empty()) throw;
      throw Error(TUTTI_INVALID, std::string("TUTTI_ALGO: ") + e.what());
    }
  }
  const Choice& choice = choice_for(key);
  return choice.candidates[choice.chosen].variant;
}

const Choice& Communicator::choice_for(const ChoiceKey& key) {
  const auto found = choices_.find(key);
  if (found != choices_.end()) return found->second;
  if (choices_.size() >= kMaxLaunches) choices_.clear();
  return choices_.emplace(key, choose(key, size(), {.caps = transport_->caps()})).first->second;
}

std::optional<Communicator::Candidate> Communicator::candidate(const CallKey& key,
                                                               std::size_t index) {
  const ReduceOp op = op_of(key);
  const Choice& choice = choice_for(choice_key(key, op));
  const Variant chosen = variant_for({.key = key}, op);
  const auto of = [&](const Choice::Candidate& c) {
    const std::string& name = *names_.insert(c.variant.name()).first;
    return Candidate{name.c_str(), c.seconds, c.variant == chosen};
  };
  const std::vector<Choice::Candidate>& all = choice.candidates;
  if (index < all.size()) return of(all[index]);
  // One that TUTTI_ALGO forces, with parameters that are not worth trying, comes last.
  const bool listed = std::ranges::find(all, chosen, &Choice::Candidate::variant) != all.end();
  if (index > all.size() || listed) return std::nullopt;
  return of(priced(chosen, choice_key(key, op), size(), {.caps = transport_->caps()},
                   shipped_regimes(size())));
}

ReduceOp Communicator::op_of(const CallKey& key) const {
  return traits_of(key.collective).reduces ? ops_.find(key.op, key.dtype) : moving_op(key.dtype);
}

// The launches made with it go too: nobody can ask for them again.
void Communicator::free_op(tutti_op handle) {
  ops_.free(handle);
  last_ = nullptr;
  std::erase_if(launches_, [&](const auto& entry) { return entry.first.op == handle; });
}

void* Communicator::allocate(std::size_t bytes) { return transport_->allocate(bytes); }

void Communicator::deallocate(void* pointer) { transport_->deallocate(pointer); }

}  // namespace tutti

#include "collectives/execute.h"

#include <algorithm>
#include <exception>

#include "collectives/op_function.h"

namespace tutti {

static_assert(kMaxLanes == kLanes, "a plan's lanes are the transport's");

Executor::Executor(Transport& transport)
    : transport_(transport),
      endpoints_(static_cast<std::size_t>(transport.size())),
      lanes_(kMaxLanes),
      posted_(static_cast<std::size_t>(transport.size()) * kMaxLanes) {
  const auto size = static_cast<std::size_t>(transport.size());
  for (int r = 0; r < transport.size(); ++r) {
    if (r != transport.rank()) endpoints_[static_cast<std::size_t>(r)] = &transport.endpoint(r);
  }
  posts_.reserve(posted_.size());
  for (Lane& lane : lanes_) {
    lane.sources.reserve(size + 2);
    lane.data.resize(size + 2);
    lane.ranges.reserve(4 * size);
    lane.pieces.reserve(size);
  }
}

void Executor::start(const Launch& launch, const Buffers& buffers, const CallRecord& call,
                     std::chrono::milliseconds timeout) {
  launch_ = &launch;
  buffers_ = buffers;
  ++run_;
  posts_.clear();
  sequence_ = call.sequence;
  call_hash_ = call.hash;
  transport_.begin(call, timeout);
  const int lanes = launch.plan.lanes();
  for (int l = 0; l < lanes; ++l) {
    Lane& lane = lanes_[static_cast<std::size_t>(l)];
    lane.cursor.start(launch.plan, l, launch.geometry.trips());
    lane.started = false;
    std::fill(std::begin(lane.tokens), std::end(lane.tokens), 0u);
  }
}

// Lanes take turns, each going on until it blocks. Then the transport pushes what was posted.
bool Executor::advance() {
  const int lanes = launch_->plan.lanes();
  bool complete = true, moved = false;
  for (int l = 0; l < lanes; ++l) {
    LaneCursor& cursor = lanes_[static_cast<std::size_t>(l)].cursor;
    while (const Step* step = cursor.step()) {
      if (!attempt(l, *step)) {
        complete = false;
        break;
      }
      cursor.advance();
      moved = true;
    }
  }
  if (complete && drained()) return true;
  moved_ = transport_.progress() || moved;
  return false;
}

bool Executor::drained() const {
  return std::all_of(posts_.begin(), posts_.end(), [&](std::uint32_t post) {
    return endpoints_[post / kMaxLanes]->drained(static_cast<int>(post % kMaxLanes), 0);
  });
}

std::byte* Executor::base_of(Buffer buffer) const {
  switch (buffer) {
    case Buffer::kInput:
      return const_cast<std::byte*>(buffers_.input);  // NOLINT: never written
    case Buffer::kOutput:
      return buffers_.output;
    case Buffer::kScratch:
      break;
  }
  return transport_.scratch().data();
}

/// Does one step if it can be done now.
bool Executor::attempt(int lane_number, const Step& step) {
  Lane& lane = lanes_[static_cast<std::size_t>(lane_number)];
  const LoopVars& vars = lane.cursor.vars();
  switch (step.op) {
    case Step::Op::kSend:
      return send(lane_number, step);
    case Step::Op::kReduce:
    case Step::Op::kScale:
      return reduce(lane_number, step);
    case Step::Op::kDrain:
      return endpoints_[launch_->plan.rank_of(step.peer, vars)]->drained(step.lane, step.lag);
    case Step::Op::kSignal:
      ++lanes_[step.lane].tokens[lane_number];
      return true;
    case Step::Op::kWait:
      if (lane.tokens[step.lane] == 0) return false;
      --lane.tokens[step.lane];
      return true;
    case Step::Op::kLoop:
    case Step::Op::kTiles:
    case Step::Op::kEnd:
      break;  // the cursor resolves loops
  }
  return true;
}

bool Executor::send(int lane_number, const Step& step) {
  Lane& lane = lanes_[static_cast<std::size_t>(lane_number)];
  const LoopVars& vars = lane.cursor.vars();
  const std::size_t element = launch_->element_bytes;
  const std::byte* base = base_of(step.ref.buffer);
  const auto piece_of = [&](Range r) { return Piece{base + r.begin * element, r.count * element}; };
  lane.pieces.clear();
  if (const auto one = launch_->geometry.one_range(step.ref, vars)) {
    lane.pieces.push_back(piece_of(*one));
  } else {
    launch_->geometry.for_each_range(step.ref, vars,
                                     [&](Range r) { lane.pieces.push_back(piece_of(r)); });
  }
  const std::uint32_t peer = launch_->plan.rank_of(step.peer, vars);
  if (!endpoints_[peer]->post(lane_number, call_hash_, lane.pieces)) return false;
  const auto slot = peer * kMaxLanes + static_cast<std::uint32_t>(lane_number);
  if (posted_[slot] != run_) {
    posted_[slot] = run_;
    posts_.push_back(slot);
  }
  return true;
}

/// Fills in a source that is local memory. Returns its bytes.
std::size_t Executor::locate(Lane& lane, const Ref& ref, Source& source) {
  const LoopVars& vars = lane.cursor.vars();
  const std::size_t element = launch_->element_bytes;
  const Geometry& geometry = launch_->geometry;
  std::byte* base = base_of(ref.buffer);
  if (const auto one = geometry.one_range(ref, vars)) {
    source.base = base + one->begin * element;
    source.left = one->count * element;
    return source.left;
  }
  source.range = static_cast<std::uint32_t>(lane.ranges.size());
  geometry.for_each_range(ref, vars, [&](Range r) { lane.ranges.push_back(r); });
  source.ranges = static_cast<std::uint32_t>(lane.ranges.size()) - source.range;
  if (source.ranges > 0) {
    source.base = base + lane.ranges[source.range].begin * element;
    source.left = lane.ranges[source.range].count * element;
  }
  std::size_t bytes = 0;
  for (std::uint32_t k = source.range; k < lane.ranges.size(); ++k) {  // from now on in bytes
    lane.ranges[k].begin *= element;
    lane.ranges[k].count *= element;
    bytes += lane.ranges[k].count;
  }
  return bytes;
}

// `base` always points at the next byte, so the step to the next range is a difference of begins.
void Executor::advance(Lane& lane, Source& source, std::size_t bytes) {
  source.base += bytes;
  source.left -= bytes;
  if (source.left > 0 || source.ranges <= 1) return;
  const Range& from = lane.ranges[source.range];
  const Range& to = lane.ranges[++source.range];
  --source.ranges;
  source.base +=
      static_cast<std::ptrdiff_t>(to.begin) - static_cast<std::ptrdiff_t>(from.begin + from.count);
  source.left = to.count;
}

void Executor::start_reduce(Lane& lane, const Step& step) {
  const LoopVars& vars = lane.cursor.vars();
  const Plan& plan = launch_->plan;
  lane.started = true;
  lane.done = lane.ready = 0;
  lane.sources.clear();
  lane.ranges.clear();
  lane.target = {};
  lane.total = lane.common = locate(lane, step.ref, lane.target);
  for (const Operand& operand : plan.operands_of(step)) {
    if (operand.kind == Operand::Kind::kLocal) {
      locate(lane, operand.ref, lane.sources.emplace_back());
      continue;
    }
    for (std::uint32_t m = 0; m < operand.count; ++m) {
      const std::uint32_t peer = plan.rank_of(operand.peer, vars, m);
      Source& source = lane.sources.emplace_back();
      if (operand.kind != Operand::Kind::kPeer && peer == plan.rank) {
        locate(lane, operand.ref, source);
      } else if (operand.kind == Operand::Kind::kSlots) {
        locate(lane, operand.slot_of(peer), source);
      } else {
        source.endpoint = endpoints_[peer];
      }
    }
  }
}

// Finds data for every source at `done`: false while a message has not arrived.
bool Executor::gather_views(int lane_number) {
  Lane& lane = lanes_[static_cast<std::size_t>(lane_number)];
  const std::size_t left = lane.total - lane.done;
  for (; lane.ready < lane.sources.size(); ++lane.ready) {
    const Source& source = lane.sources[lane.ready];
    if (source.endpoint == nullptr) {
      lane.data[lane.ready] = source.base;
      if (left > 0) lane.common = std::min(lane.common, source.left);
      continue;
    }
    const View view = source.endpoint->view(lane_number, call_hash_, left);
    if (!view.there) return false;
    lane.data[lane.ready] = view.data;
    lane.common = std::min(lane.common, view.bytes);
  }
  return true;
}

Stores Executor::stores_to(Buffer buffer) const {
  return buffer == Buffer::kOutput ? launch_->output_stores : Stores::kCached;
}

// A move from a peer: the transport knows the best way to bring bytes to their place.
bool Executor::fetch(int lane_number, const Step& step) {
  Lane& lane = lanes_[static_cast<std::size_t>(lane_number)];
  Endpoint& endpoint = *lane.sources[0].endpoint;
  const Stores stores = stores_to(step.ref.buffer);
  do {
    auto* to = const_cast<std::byte*>(lane.target.base);  // NOLINT: output or scratch
    const View view =
        endpoint.fetch(lane_number, call_hash_, to + lane.done, lane.total - lane.done, stores);
    if (!view.there) return false;
    lane.done += view.bytes;
    if (lane.done < lane.total) transport_.progress();  // the peers wait for the rest of ours
  } while (lane.done < lane.total);
  endpoint.release(lane_number);
  lane.started = false;
  return true;
}

std::string Executor::call_text() const {
  CallRecord record = launch_->record;
  record.sequence = sequence_;
  return "rank " + std::to_string(transport_.world_rank(transport_.rank())) + ": " +
         describe(record);
}

// By the caller's own function.
void Executor::combine(ReduceShape shape, void* to, std::span<const void* const> sources,
                       std::size_t count) const {
  const InFunction in(*launch_->function.caller, *this);
  try {
    combine_by(launch_->function, launch_->key.dtype, shape, to, sources.data(), sources.size(),
               count);
  } catch (const std::exception& e) {
    throw Error(TUTTI_OP_FAILED,
                call_text() + ": the op's function threw an exception: " + e.what());
  } catch (...) {
    throw Error(TUTTI_OP_FAILED, call_text() + ": the op's function threw an exception");
  }
}

// Combines, as far as the messages have come, straight from wherever they lie.
bool Executor::reduce(int lane_number, const Step& step) {
  Lane& lane = lanes_[static_cast<std::size_t>(lane_number)];
  if (!lane.started) start_reduce(lane, step);
  const Finish finish = step.finish ? launch_->finish : Finish{};
  if (lane.sources.size() == 1 && lane.sources[0].endpoint != nullptr && finish.divisor == 1 &&
      lane.target.ranges == 0) {
    return fetch(lane_number, step);
  }
  const ReduceKernel kernel = step.shape == ReduceShape::kFold ? launch_->fold : launch_->balanced;
  do {
    if (!gather_views(lane_number)) return false;
    const std::size_t bytes = std::min(lane.common, lane.target.left);
    auto* to = const_cast<std::byte*>(lane.target.base);  // NOLINT: output or scratch
    const auto sources = std::span(lane.data).first(lane.sources.size());
    // Lines that are read anyway are in the cache already: storing past it would throw them out.
    const bool in_place = std::find(sources.begin(), sources.end(), to) != sources.end();
    const bool nothing = in_place && sources.size() == 1 && finish.divisor == 1;
    if (step.op == Step::Op::kScale) {
      launch_->scale(to, sources[0], bytes / launch_->element_bytes, &launch_->scalar);
    } else if (launch_->function.combine != nullptr && sources.size() > 1 && bytes > 0) {
      combine(step.shape, to, sources, bytes / launch_->element_bytes);
    } else if (bytes > 0 && !nothing) {
      kernel(to, sources.data(), sources.size(), bytes / launch_->element_bytes, finish,
             in_place ? Stores::kCached : stores_to(step.ref.buffer));
    }
    lane.done += bytes;
    advance(lane, lane.target, bytes);
    for (Source& source : lane.sources) {
      if (source.endpoint != nullptr) {
        source.endpoint->advance(lane_number, bytes);
      } else {
        advance(lane, source, bytes);
      }
    }
    lane.ready = 0;
    lane.common = lane.total - lane.done;
    if (lane.done < lane.total) transport_.progress();  // the peers wait for the rest of ours
  } while (lane.done < lane.total);
  for (const Source& source : lane.sources) {
    if (source.endpoint != nullptr) source.endpoint->release(lane_number);
  }
  lane.started = false;
  return true;
}

}  // namespace tutti

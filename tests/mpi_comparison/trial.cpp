#include "tests/mpi_comparison/trial.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <span>
#include <stdexcept>

namespace tutti::test {
namespace {

constexpr std::size_t kMostElements = 100'000;

/// 0, or as often between 1 and 2 as between 50,000 and 100,000.
std::size_t draw_count(Random& random) {
  if (random.below(16) == 0) return 0;
  const std::size_t low = std::size_t{1} << random.below(17);
  return std::min(kMostElements, low + random.below(low));
}

void draw_op(DrawnCall& call, Random& random) {
  if (call.row->takes == Takes::kNoOp) return;
  const bool averages = call.row->takes == Takes::kAnyOp;
  do {
    call.op = &all_ops()[random.below(all_ops().size())];
  } while (!supports(*call.dtype, *call.op) || (call.op->kind == Op::Kind::kAverage && !averages));
  const bool numbers =
      call.op->kind != Op::Kind::kFunction && (call.dtype->is_float() || call.dtype->is_pair);
  call.values = !numbers ? Values::kBits : random.chance(50) ? Values::kExact : Values::kRough;
}

void draw_root(DrawnCall& call, int size, Random& random) {
  if (call.row->rooted) call.root = random.below(size);
}

std::string where_text(const char* name, bool registered, int shift) {
  return std::string(", ") + name + (registered ? " in registered memory" : " in ordinary memory") +
         (shift > 0 ? " shifted by " + std::to_string(shift) : "");
}

}  // namespace

DrawnCall draw_call(int size, Random random) {
  DrawnCall call{};
  call.row = &all_rows()[random.below(all_rows().size())];
  call.dtype = &all_dtypes()[random.below(all_dtypes().size())];
  call.count = draw_count(random);
  draw_op(call, random);
  draw_root(call, size, random);
  if (call.row->collective && random.chance(60)) call.algorithm = 1 + random.below(1000);
  call.reproducible = call.row->takes == Takes::kAnyOp && call.algorithm == 0 && random.chance(50);
  return call;
}

DrawnCall vary_call(DrawnCall call, int size, Random random) {
  const int what = random.below(4);
  if (what == 0) call.count = draw_count(random);
  if (what == 1) draw_op(call, random);
  if (what == 2) draw_root(call, size, random);
  return call;
}

DrawnBuffers draw_buffers(Random random) {
  DrawnBuffers buffers{};
  buffers.in_place = random.chance(40);
  buffers.send_registered = random.chance(50);
  buffers.recv_registered = random.chance(50);
  buffers.null_if_unused = random.chance(50);
  buffers.send_shift = random.chance(50) ? random.below(64) : 0;
  buffers.recv_shift = random.chance(50) ? random.below(64) : 0;
  return buffers;
}

Trial::Trial(const DrawnCall& call, const DrawnBuffers& buffers, const Group& group,
             tutti_comm* world, Random random)
    : call_(call),
      where_(buffers),
      group_(group),
      world_(world),
      at_(group.at),
      block_bytes_(call.count * call.dtype->bytes) {
  at_.root = call.root;
  create_op(random);
  choose_algorithm();
  input_ = draw_elements(*call.dtype, call.op, call.values,
                         call.row->input_blocks(at_) * call.count, random);
  place_buffers();
  if (combines_floats()) {
    ask_mpi_for_values();
  } else {
    ask_mpi();
  }
}

Trial::~Trial() {
  if (call_.op != nullptr && call_.op->ours == 0) tutti_op_free(op_, group_.ours);
}

void Trial::create_op(Random& random) {
  if (call_.op == nullptr) return;
  op_ = call_.op->ours;
  if (call_.op->kind == Op::Kind::kFunction)
    require(create_function(&op_, *call_.op, group_.ours), group_.ours);
  if (call_.op->kind != Op::Kind::kScaledSum) return;
  scalar_ = draw_scalar(*call_.dtype, call_.values, random);
  require(tutti_op_create_pre_scaled(&op_, scalar_.data(), call_.dtype->ours, group_.ours),
          group_.ours);
}

void Trial::choose_algorithm() {
  // Which ones keep the order of ranks depends on the root, which tutti_candidate() is not told.
  const bool needs_order = call_.op != nullptr && !call_.op->commutes && call_.root != 0;
  if (call_.algorithm == 0 || needs_order) return;
  std::vector<std::string> names;
  tutti_candidate_info info = TUTTI_CANDIDATE_INFO_INIT;
  const auto candidate = [&] {
    return tutti_candidate(*call_.row->collective, call_.count, call_.dtype->ours, op_, group_.ours,
                           names.size(), &info);
  };
  tutti_status status = candidate();
  for (; status == TUTTI_OK; status = candidate()) names.emplace_back(info.name);
  if (status != TUTTI_NOT_FOUND) require(status, group_.ours);
  if (!names.empty()) algorithm_ = names.at(call_.algorithm % names.size());
}

/// In place the smaller of input and output is this rank's block of the other.
void Trial::place_buffers() {
  const std::size_t in = call_.row->input_blocks(at_) * block_bytes_;
  const std::size_t out = call_.row->output_blocks(at_) * block_bytes_;
  const std::size_t own = static_cast<std::size_t>(at_.rank) * block_bytes_;
  const auto add = [&](std::size_t bytes, int shift, bool registered) -> Buffer& {
    return *buffers_.emplace_back(
        std::make_unique<Buffer>(bytes, static_cast<std::size_t>(shift) * call_.dtype->bytes,
                                 registered ? world_ : nullptr));
  };
  Buffer& send =
      add(std::max(in, where_.in_place ? out : 0), where_.send_shift, where_.send_registered);
  const bool in_place = where_.in_place && call_.row->has_in_place_form() && in > 0 && out > 0;
  if (in_place) {
    const std::size_t send_offset = out > in ? own : 0, recv_offset = in > out ? own : 0;
    send.lay_out(input_, send_offset);
    send_ = send.data() + send_offset;
    recv_ = send.data() + recv_offset;
    recv_image_ = send.image() + recv_offset;
    return;
  }
  Buffer& recv = add(out, where_.recv_shift, where_.recv_registered);
  send.lay_out(input_, 0);
  recv.lay_out({}, 0);
  if (in > 0 || !where_.null_if_unused) send_ = send.data();
  if (out > 0 || !where_.null_if_unused) recv_ = recv.data();
  recv_image_ = recv.image();
}

Theirs Trial::theirs(const void* send, void* recv, MPI_Datatype type) const {
  return {.send = send,
          .recv = recv,
          .count = static_cast<int>(call_.count),
          .type = type,
          .op = call_.op == nullptr ? MPI_OP_NULL : call_.op->theirs,
          .at = at_,
          .comm = group_.theirs};
}

bool Trial::combines_floats() const {
  return call_.op != nullptr && call_.op->kind != Op::Kind::kFunction && call_.dtype->is_float();
}

/// Moved elements, integers and pairs: the very bits.
void Trial::ask_mpi() {
  const Dtype& dtype = *call_.dtype;
  if (call_.op == nullptr)
    return call_.row->theirs(theirs(input_.data(), recv_image_, dtype.moved));
  const std::vector<std::byte> summands =
      scalar_.empty() ? input_ : scaled(dtype, input_, scalar_.data());
  const bool as_bits = call_.op->kind == Op::Kind::kFunction;
  call_.row->theirs(theirs(summands.data(), recv_image_, as_bits ? dtype.moved : dtype.combined));
  const std::span<std::byte> output(recv_image_, call_.row->output_blocks(at_) * block_bytes_);
  if (call_.op->kind == Op::Kind::kAverage) divide(dtype, output, at_.size);
  if (call_.op->kind == Op::Kind::kIndex) clear_padding(dtype, output);
}

/// Floats: values, and how far off they may be. In whatever order n inputs are combined, each goes
/// through at most n - 1 rounded operations, so that its share of the result is off by at most
/// (1 + u)^(n-1) - 1 of itself, and a sum by that times the sum of the magnitudes; a product by
/// that times itself. An average or a scalar is one operation more, the average's division perhaps
/// with a subnormal result. Exact inputs meet no rounding but that of the division.
void Trial::ask_mpi_for_values() {
  const Op::Kind kind = call_.op->kind;
  std::vector<double> given = values_of(*call_.dtype, input_);
  if (!scalar_.empty())
    for (double& value : given) value *= value_of(*call_.dtype, scalar_.data());
  values_.resize(call_.row->output_blocks(at_) * call_.count);
  call_.row->theirs(theirs(given.data(), values_.data(), MPI_DOUBLE));

  const bool averages = kind == Op::Kind::kAverage;
  std::vector<double> magnitudes = values_;
  int operations = averages ? 1 : 0;
  if (call_.values == Values::kRough && kind != Op::Kind::kExtreme) {
    operations += at_.size - 1 + (scalar_.empty() ? 0 : 1);
    for (double& value : given) value = std::abs(value);
    call_.row->theirs(theirs(given.data(), magnitudes.data(), MPI_DOUBLE));
  }
  const double divisor = averages ? at_.size : 1;
  const double share = call_.dtype->rounding(operations);
  const double underflow = averages ? call_.dtype->underflow() : 0;
  for (double& value : values_) value /= divisor;
  for (const double magnitude : magnitudes)
    tolerances_.push_back(share * std::abs(magnitude) / divisor + underflow);
}

Ours Trial::with(const tutti_options* options) const {
  return {.send = send_,
          .recv = recv_,
          .count = call_.count,
          .dtype = call_.dtype->ours,
          .op = op_,
          .at = at_,
          .comm = group_.ours,
          .options = options};
}

void Trial::start(tutti_request** request, bool persistent) {
  tutti_options options = TUTTI_OPTIONS_INIT;
  if (!algorithm_.empty()) options.algorithm = algorithm_.c_str();
  options.request = request;
  options.persistent = persistent ? 1 : 0;
  options.reproducible = call_.reproducible ? 1 : 0;
  const bool defaults = algorithm_.empty() && request == nullptr && !call_.reproducible;
  require(call_.row->ours(with(defaults ? nullptr : &options)), group_.ours);
}

/// What is wrong with the output's values; empty if nothing.
std::string Trial::check_values() const {
  const Dtype& dtype = *call_.dtype;
  for (std::size_t e = 0; e < values_.size(); ++e) {
    const std::byte* const element = static_cast<std::byte*>(recv_) + e * dtype.bytes;
    if (std::abs(value_of(dtype, element) - values_[e]) <= tolerances_[e]) continue;
    char expected[80];
    std::snprintf(expected, sizeof(expected), "%.17g, give or take %.3g", values_[e],
                  tolerances_[e]);
    return "element " + std::to_string(e) + " of recv is " + text_of(dtype, element) +
           "; by MPI it is " + expected;
  }
  return "";
}

void Trial::check() const {
  const std::size_t out = call_.row->output_blocks(at_) * block_bytes_;
  if (call_.op != nullptr && call_.dtype->is_pair)
    clear_padding(*call_.dtype, {static_cast<std::byte*>(recv_), out});
  const bool defined = call_.row->defines_output(at_);
  const std::string wrong_value = defined ? check_values() : "";
  if (!wrong_value.empty()) throw std::runtime_error(wrong_value);
  if (out > 0 && (!values_.empty() || !defined)) std::memcpy(recv_image_, recv_, out);
  for (const std::unique_ptr<Buffer>& buffer : buffers_) {
    const std::ptrdiff_t at = buffer->first_difference();
    if (at == buffer->no_difference()) continue;
    const bool is_recv = buffer->image() <= recv_image_ && recv_image_ <= buffer->image() + at;
    const std::ptrdiff_t offset = is_recv ? at - (recv_image_ - buffer->image()) : at;
    const auto element_bytes = static_cast<std::ptrdiff_t>(call_.dtype->bytes);
    const std::ptrdiff_t begin = offset / element_bytes * element_bytes;
    if (!is_recv || offset >= static_cast<std::ptrdiff_t>(out) || offset < 0) {
      throw std::runtime_error("byte " + std::to_string(offset) + " of " +
                               (is_recv ? "recv" : "send") + " was written");
    }
    throw std::runtime_error("element " + std::to_string(begin / element_bytes) + " of recv is " +
                             text_of(*call_.dtype, static_cast<std::byte*>(recv_) + begin) +
                             "; by MPI it is " + text_of(*call_.dtype, recv_image_ + begin));
  }
}

void Trial::rewind() {
  for (const std::unique_ptr<Buffer>& buffer : buffers_) buffer->rewind();
}

std::string Trial::text() const {
  std::string text = call_.row->name;
  text += ", " + std::to_string(call_.count) + " " + call_.dtype->name;
  if (call_.op != nullptr) text += std::string(", ") + call_.op->name;
  if (call_.values == Values::kExact) text += " of exact values";
  if (call_.values == Values::kRough) text += " of rough values";
  if (call_.row->rooted) text += ", root " + std::to_string(call_.root);
  if (call_.reproducible) text += ", reproducible";
  text += ", algorithm " + (algorithm_.empty() ? "of its choice" : algorithm_);
  text += ", rank " + std::to_string(at_.rank) + " of (" + group_.members + ")";
  const bool one = buffers_.size() == 1;
  text += where_text(one ? "in place" : "send", where_.send_registered, where_.send_shift);
  if (!one) text += where_text("recv", where_.recv_registered, where_.recv_shift);
  return text;
}

}  // namespace tutti::test

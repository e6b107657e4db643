#include "perf/board.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "perf/relax.h"

namespace tutti {

struct Board::Header {
  alignas(128) std::atomic<std::uint32_t> arrived;
  alignas(128) std::atomic<std::uint32_t> generation;
  alignas(128) std::atomic<std::uint32_t> line;
  alignas(128) std::atomic<std::uint32_t> failed;
  alignas(128) std::atomic<std::size_t> stop_at;
  alignas(128) std::byte agreed[kAgreedBytes];
};

struct Board::Slot {
  alignas(128) double value;
  alignas(128) std::atomic<std::uint64_t> entered;
  std::atomic<pid_t> pid;
  alignas(128) double samples[kBoardSamples];
};

namespace {

[[noreturn]] void fail_with_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

long shared_futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
                  const timespec* timeout) {
  return syscall(SYS_futex, &word, operation, value, timeout, nullptr, 0);
}

/// Whether a process is stopped (SIGSTOP, a debugger). One that cannot be seen is not.
bool is_stopped(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(')');  // the name before it may be anything
  const char state = name_end + 2 < text.size() ? text[name_end + 2] : '?';
  return name_end != std::string::npos && (state == 'T' || state == 't');
}

/// A rank seen stopped at two looks so far apart is not a job that has just been continued.
constexpr std::chrono::milliseconds kBetweenLooks{1500};

}  // namespace

Board::Board(int fd, int ranks)
    : fd_(fd),
      ranks_(ranks),
      bytes_(sizeof(Header) + sizeof(Slot) * static_cast<std::size_t>(ranks)) {
  // A fresh memfd is zeroed, which is the starting state of everything on the board.
  void* memory = MAP_FAILED;
  if (ftruncate(fd_, static_cast<off_t>(bytes_)) == 0)
    memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (memory == MAP_FAILED) {
    const int cause = std::exchange(errno, 0);
    close(fd_);
    throw std::system_error(cause, std::generic_category(), "cannot map the ranks' shared page");
  }
  header_ = static_cast<Header*>(memory);
}

Board::Board(Board&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      ranks_(other.ranks_),
      bytes_(other.bytes_),
      header_(std::exchange(other.header_, nullptr)),
      rank_(other.rank_),
      crowded_(other.crowded_),
      patience_(other.patience_) {}

Board::~Board() {
  if (header_ != nullptr) munmap(header_, bytes_);
  if (fd_ >= 0) close(fd_);
}

Board Board::create(int ranks) {
  const int fd = memfd_create("tutti-perf", MFD_CLOEXEC);
  if (fd < 0) fail_with_errno("cannot make the ranks' shared page");
  return Board(fd, ranks);
}

Board Board::open(const std::string& path, int ranks) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) fail_with_errno(fmt::format("cannot open rank 0's shared page, {}", path));
  return Board(fd, ranks);
}

void Board::configure(int rank, bool crowded, std::chrono::seconds patience) {
  rank_ = rank;
  slot(rank).pid = getpid();
  crowded_ = crowded;
  patience_ = patience;
}

std::string Board::path() const { return fmt::format("/proc/{}/fd/{}", getpid(), fd_); }

void Board::fail() noexcept {
  header_->failed.store(static_cast<std::uint32_t>(rank_) + 1, std::memory_order_release);
  shared_futex(header_->generation, FUTEX_WAKE, INT_MAX, nullptr);
}

Board::Watch::Watch(Board& board)
    : board_(board),
      deadline_(Clock::now() + board.patience_),
      next_look_(Clock::now() + kBetweenLooks) {}

void Board::Watch::look() {
  const int rank = board_.rank_;
  const std::uint32_t failed = board_.header_->failed.load(std::memory_order_acquire);
  if (failed != 0)
    throw PeerStopped(fmt::format("rank {}: stopped, because rank {} failed", rank, failed - 1));
  const auto now = Clock::now();
  if (now > deadline_)
    throw std::runtime_error(fmt::format("rank {}: waited {} s for the other ranks to meet", rank,
                                         board_.patience_.count()));
  if (now < next_look_) return;
  next_look_ = now + kBetweenLooks;
  std::vector<int> stopped = board_.stopped_ranks();
  for (const int other : stopped) {
    if (std::ranges::find(stopped_, other) != stopped_.end())
      throw std::runtime_error(fmt::format("rank {}: rank {} (pid {}) is stopped", rank, other,
                                           board_.slot(other).pid.load()));
  }
  stopped_ = std::move(stopped);
}

// A counting barrier: the last to arrive resets the count and starts the next generation, which
// releases the others (and, by release and acquire on `generation`, shows them all earlier writes).
void Board::wait(Waiting how) {
  const std::uint32_t generation = header_->generation.load(std::memory_order_acquire);
  const std::uint32_t before = header_->arrived.fetch_add(1, std::memory_order_acq_rel);
  if (before + 1 < static_cast<std::uint32_t>(ranks_)) {
    wait_for_change(generation, how);
    return;
  }
  header_->arrived.store(0, std::memory_order_relaxed);
  header_->generation.store(generation + 1, std::memory_order_release);
  if (how != kSpins) shared_futex(header_->generation, FUTEX_WAKE, INT_MAX, nullptr);
}

void Board::wait_for_change(std::uint32_t generation, Waiting how) {
  constexpr int kSpinsBetweenLooks = 1 << 14;
  constexpr int kYieldsBeforeSleep = 16;
  constexpr timespec kNap{0, 100'000'000};  // then look whether somebody has failed
  std::optional<Watch> watch;
  const auto released = [&] {
    return header_->generation.load(std::memory_order_acquire) != generation;
  };
  for (int turn = 0; !released(); ++turn) {
    if (how == kSpins) {
      for (int spin = 0; spin < kSpinsBetweenLooks && !released(); ++spin) relax_core();
    } else if (how == kYields && turn < kYieldsBeforeSleep) {
      sched_yield();
      continue;
    } else {
      shared_futex(header_->generation, FUTEX_WAIT, generation, &kNap);
    }
    if (released()) return;
    if (!watch) watch.emplace(*this);
    watch->look();
  }
}

std::vector<int> Board::stopped_ranks() {
  std::vector<int> stopped;
  for (int rank = 0; rank < ranks_; ++rank) {
    const pid_t pid = slot(rank).pid;
    if (pid != 0 && pid != getpid() && is_stopped(pid)) stopped.push_back(rank);
  }
  return stopped;
}

std::vector<double> Board::gather(double mine) {
  slot(rank_).value = mine;
  meet();
  std::vector<double> all(static_cast<std::size_t>(ranks_));
  for (int rank = 0; rank < ranks_; ++rank) all[static_cast<std::size_t>(rank)] = slot(rank).value;
  meet();
  return all;
}

void Board::stop_at(std::size_t pass) { header_->stop_at.store(pass, std::memory_order_release); }

bool Board::stops(std::size_t pass) const {
  return pass >= header_->stop_at.load(std::memory_order_acquire);
}

std::span<double, kBoardSamples> Board::samples(int rank) { return slot(rank).samples; }
std::atomic<std::uint32_t>& Board::line() { return header_->line; }
std::atomic<std::uint64_t>& Board::entered(int rank) { return slot(rank).entered; }
void* Board::agreed() { return header_->agreed; }

Board::Slot& Board::slot(int rank) { return reinterpret_cast<Slot*>(header_ + 1)[rank]; }

}  // namespace tutti

// The ranks' own meeting place while they measure: a page of shared memory that the library under
// test knows nothing of, so that starting together, comparing clocks and agreeing on counts costs
// the same whatever is measured. Ranks are processes or threads of this host.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace tutti {

/// Another rank has failed, and has said why: this one has nothing to add.
class PeerStopped : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Timed calls that a rank can hold for one turn.
inline constexpr std::size_t kBoardSamples = 512;

class Board {
 public:
  /// Rank 0 makes the board; the others open what path() says. `crowded`: the ranks share cores, so
  /// whoever waits gives its core away. `patience`: how long a wait may last.
  static Board create(int ranks);
  static Board open(const std::string& path, int ranks);
  Board(Board&&) noexcept;
  Board& operator=(Board&&) = delete;
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;
  ~Board();

  void configure(int rank, bool crowded, std::chrono::seconds patience);

  /// Where other processes of this user find the board, while this one lives.
  std::string path() const;

  /// Returns when every rank has called it. Spins, unless crowded. Throws PeerStopped when
  /// another rank has failed, std::runtime_error after `patience` or when the process of another
  /// rank is stopped.
  void meet() { wait(crowded_ ? kYields : kSpins); }

  /// The same for waits in which rank 0 needs all the cores: everybody else sleeps.
  void meet_asleep() { wait(kSleeps); }

  /// Says that this rank will come to no further meeting; the others' waits throw.
  void fail() noexcept;

  /// Rank 0's value, on every rank. Collective.
  template <class Value>
  Value agree(const Value& mine) {
    static_assert(std::is_trivially_copyable_v<Value> && sizeof(Value) <= kAgreedBytes);
    if (rank_ == 0) std::memcpy(agreed(), &mine, sizeof mine);
    meet();
    Value value{};
    std::memcpy(&value, agreed(), sizeof value);
    meet();
    return value;
  }

  /// Everybody's value, by rank, on every rank. Collective.
  std::vector<double> gather(double mine);

  /// This rank's timed calls; rank 0 reads everybody's between two meetings.
  std::span<double, kBoardSamples> samples(int rank);

  /// For loops with a meeting in each pass: rank 0 says before a meeting that no pass from `pass`
  /// on is to happen, and all look after each meeting, so that all leave after the same pass.
  void stop_at(std::size_t pass);
  bool stops(std::size_t pass) const;

  /// One cache line for ranks 0 and 1 to pass to and fro.
  std::atomic<std::uint32_t>& line();

  /// Words, one a rank, with which barrier's effect is checked.
  std::atomic<std::uint64_t>& entered(int rank);

  /// For whoever waits for another rank, by meet() or otherwise: look() now and then, and it throws
  /// as meet() does. Made when a wait turns out to be long: it reads the clock.
  class Watch {
   public:
    explicit Watch(Board& board);
    void look();

   private:
    using Clock = std::chrono::steady_clock;
    Board& board_;
    const Clock::time_point deadline_;
    Clock::time_point next_look_;
    std::vector<int> stopped_;  // ranks whose processes were, at the last look at them
  };

  int ranks() const { return ranks_; }

 private:
  struct Header;
  struct Slot;
  enum Waiting { kSpins, kYields, kSleeps };
  static constexpr std::size_t kAgreedBytes = 256;

  Board(int fd, int ranks);
  void wait(Waiting how);
  void wait_for_change(std::uint32_t generation, Waiting how);
  std::vector<int> stopped_ranks();
  void* agreed();
  Slot& slot(int rank);

  int fd_;
  int ranks_;
  std::size_t bytes_;
  Header* header_;
  int rank_ = 0;
  bool crowded_ = false;
  std::chrono::seconds patience_{1800};
};

}  // namespace tutti

// Random numbers of which any part can be drawn again alone.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace tutti::test {

/// The numbers for one purpose, e.g. {seed, step, call}: the same on every rank that asks.
class Random {
 public:
  Random(std::initializer_list<std::uint64_t> purpose) {
    for (const std::uint64_t number : purpose) state_ = mixed(state_ ^ number);
  }

  std::uint64_t next() { return mixed(state_++); }
  /// 0 … bound - 1.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  int below(int bound) { return static_cast<int>(below(static_cast<std::uint64_t>(bound))); }
  bool chance(int percent) { return below(100) < percent; }

 private:
  /// The step and finaliser of splitmix64.
  static std::uint64_t mixed(std::uint64_t z) {
    z = (z + 1) * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  std::uint64_t state_ = 0;
};

}  // namespace tutti::test

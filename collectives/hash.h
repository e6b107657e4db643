// Content hashes: stable from run to run and machine to machine.
#pragma once

#include <cstdint>

namespace tutti {

struct Plan;

/// Mixes a word into a hash (the finaliser of SplitMix64 over a running sum; Steele et al. 2014).
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  std::uint64_t z = hash + 0x9e3779b97f4a7c15 + word;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// Hash of a plan's content, its own field `hash` left out.
std::uint64_t hash_of(const Plan& plan);

}  // namespace tutti

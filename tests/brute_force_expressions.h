// What the brute-force interpreter computes with: expressions instead of numbers.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

namespace tutti::test {

using Value = int;  // index of an expression; 0 is garbage

enum Kind : int { kGarbage, kInput, kScaled, kFinished, kFold, kLate };

// Expressions, each kept once: equal values are equal trees. The content is kind, then operands.
class Expressions {
 public:
  Expressions() { of({kGarbage}); }

  Value of(const std::vector<int>& content) {
    const auto [at, fresh] = numbers_.try_emplace(content, static_cast<int>(contents_.size()));
    if (fresh) contents_.push_back(&at->first);
    return at->second;
  }
  const std::vector<int>& content(Value v) const { return *contents_[static_cast<std::size_t>(v)]; }

 private:
  std::map<std::vector<int>, int> numbers_;  // its nodes stay where they are
  std::vector<const std::vector<int>*> contents_;
};

}  // namespace tutti::test

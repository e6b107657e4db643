// The one way out of a proof that fails.
#pragma once

#include <stdexcept>
#include <string>

namespace tutti::proof {

/// A rule is broken; what() says which, where and by whom.
class BrokenRule : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace tutti::proof

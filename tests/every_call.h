// Every call that takes a communicator, with arguments that are right.
#pragma once

#include <functional>
#include <vector>

#include "tutti/tutti.h"

namespace tutti::test {

struct NamedCall {
  const char* name;
  std::function<tutti_status(tutti_comm*)> call;
};

/// In an order in which a world of one can make them.
std::vector<NamedCall> every_call();

}  // namespace tutti::test

// A call of any collective as a value.
#pragma once

#include <cstddef>

#include "collectives/collective.h"
#include "tutti/tutti.h"

namespace tutti::test {

struct AnyCall {
  Collective collective = Collective::kAllReduce;
  std::size_t count = 1;
  tutti_dtype dtype = TUTTI_I32;
  tutti_op op = TUTTI_SUM;
  int root = 0;

  /// What the collective does not take is left out.
  tutti_status make(const void* send, void* recv, tutti_comm* comm,
                    const tutti_options* options) const;
};

}  // namespace tutti::test

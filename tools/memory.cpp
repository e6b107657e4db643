#include "tools/memory.h"

#include <algorithm>

#include "transport/control_groups.h"

namespace tutti {

std::optional<double> obtainable_memory() {
  const auto system = memory_available(), groups = memory_left();
  if (!system || !groups) return system ? system : groups;
  return std::min(*system, *groups);
}

}  // namespace tutti

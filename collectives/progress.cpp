#include "collectives/progress.h"

#include <algorithm>

namespace tutti {

void Progress::join(Party& party) {
  if (std::ranges::find(parties_, &party) == parties_.end()) parties_.push_back(&party);
  any_.store(true, std::memory_order_relaxed);
}

void Progress::leave(Party& party) {
  std::erase(parties_, &party);
  any_.store(!parties_.empty(), std::memory_order_relaxed);
}

bool Progress::advance(const Party* but) noexcept {
  bool moved = false;
  for (Party* party : parties_)
    if (party != but) moved |= party->advance();
  std::erase_if(parties_, [](const Party* party) { return !party->active(); });
  any_.store(!parties_.empty(), std::memory_order_relaxed);
  return moved;
}

}  // namespace tutti

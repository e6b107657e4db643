#include "collectives/progress.h"

#include <algorithm>
#include <utility>

#include "transport/quiet_thread.h"

namespace tutti {

Progress::~Progress() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  joined_.notify_all();
  thread_.join();
}

void Progress::start_thread(std::unique_ptr<Pauser> pauser) {
  share();
  pauser_ = std::move(pauser);
  thread_ = quiet_thread("the progress thread", [this] { run_thread(*pauser_); });
}

void Progress::run_thread(Pauser& pauser) {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    joined_.wait(lock, [this] { return stop_ || !parties_.empty(); });
    const bool moved = advance();
    lock.unlock();  // others want it
    const bool look = !moved && pauser.pause();
    if (moved) pauser.reset();
    lock.lock();
    if (!look) continue;
    for (Party* party : parties_) party->look_around();
  }
}

void Progress::join(Party& party) {
  if (std::ranges::find(parties_, &party) == parties_.end()) parties_.push_back(&party);
  any_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) joined_.notify_all();
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

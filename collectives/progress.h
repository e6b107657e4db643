// Calls in flight that nobody waits for, of all communicators that come from one start. Whoever
// waits for anything moves all of them: so ranks that wait for them in different orders do not
// block each other.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "transport/transport.h"

namespace tutti {

class Progress {
 public:
  /// A communicator's calls in flight. All calls with the lock held.
  class Party {
   public:
    virtual ~Party() = default;
    /// Moves its calls as far as they go without waiting. True if any of them moved.
    virtual bool advance() noexcept = 0;
    /// Whether any is in flight.
    virtual bool active() const = 0;
    /// Looks for deadlines and failed peers; what is found fails all that is in flight.
    virtual void look_around() noexcept = 0;
  };

  Progress() = default;
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// From now on a thread of its own moves the parties, too. Call it as share().
  void start_thread(std::unique_ptr<Pauser> pauser);

  /// Held by whoever touches a party. Free of charge as long as there is only one communicator,
  /// which one thread at a time uses.
  std::unique_lock<std::mutex> lock() {
    return shared_.load(std::memory_order_relaxed) ? std::unique_lock(mutex_)
                                                   : std::unique_lock<std::mutex>();
  }
  /// From now on threads may meet. Call it while there is one communicator, between its calls.
  void share() { shared_.store(true, std::memory_order_relaxed); }

  /// Gives the lock back that this thread held when it was thrown out of a call by longjmp().
  void unlock_after_jump() {
    if (shared_.load(std::memory_order_relaxed)) mutex_.unlock();
  }

  /// Takes part from now on, until it is not active any more. With the lock held.
  void join(Party& party);
  /// Takes no part any more: it is about to be destroyed. With the lock held.
  void leave(Party& party);

  /// Whether any call is in flight. Without the lock.
  bool any() const { return any_.load(std::memory_order_relaxed); }
  /// Moves all parties, or all but one. True if anything moved. With the lock held.
  bool advance(const Party* but = nullptr) noexcept;

 private:
  void run_thread(Pauser& pauser);

  std::mutex mutex_;
  std::atomic<bool> shared_ = false;  // relaxed: set before a second thread can know of it
  std::atomic<bool> any_ = false;     // relaxed: a hint; the lock orders the rest
  std::vector<Party*> parties_;       // guarded by mutex_
  std::condition_variable joined_;    // of mutex_: a party has come, or the thread is to stop
  bool stop_ = false;                 // guarded by mutex_
  std::unique_ptr<Pauser> pauser_;    // the thread's
  std::thread thread_;
};

}  // namespace tutti

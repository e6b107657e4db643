#include "transport/shm/waiting.h"

#include <sched.h>

namespace tutti {
namespace {

/// Tells the core that this is a spin loop.
#if defined(__x86_64__)
void relax() { __builtin_ia32_pause(); }
#elif defined(__aarch64__)
void relax() { asm volatile("isb"); }
#else
void relax() {}
#endif

constexpr std::uint32_t kPollsPerLook = 1024;
/// A post that sees us awake and does not ring, while we fall asleep, costs at most this. With
/// membarrier() that cannot happen; the limit also bounds how late a death is noticed.
constexpr std::chrono::microseconds kSlice{2000};

/// A yield that takes longer gave the core to a stranger, or to a rank that computes: both keep it
/// for milliseconds, while whoever sleeps gets it back as soon as it is woken.
constexpr std::chrono::microseconds kLongYield{50};

}  // namespace

WaitTuning wait_tuning(bool oversubscribed) {
  // A message needs a few turns of the ranks that share the core; who waits longer only stands in
  // their way. On a busy machine 4 ranks took 0.06 ms an exchange without yields, 0.24 with 20,
  // 0.34 with 200; on an idle one a yield (1.5 us) is cheaper than a sleep and a wake (3 us).
  if (oversubscribed) return {.spins = 0, .yields = 20, .yield_every = 1};
  return {.spins = 100, .yields = 6000, .yield_every = 32};
}

void Waiter::spin() { relax(); }

bool Waiter::pause_long() {
  if (polls_ < tuning_.spins + tuning_.yields) {
    (polls_ - tuning_.spins) % tuning_.yield_every == 0 ? yield() : spin();
    ++polls_;
  } else if (!armed_) {
    arm();
    return false;
  } else {
    sleep_on(self_, seen_, kSlice);
    stay_armed();
    since_look_ = 0;
    return true;
  }
  if (++since_look_ < kPollsPerLook) return false;
  since_look_ = 0;
  return true;
}

void Waiter::yield() {
  const auto begin = std::chrono::steady_clock::now();
  sched_yield();
  if (std::chrono::steady_clock::now() - begin > kLongYield)
    polls_ = tuning_.spins + tuning_.yields;
}

void Waiter::arm() {
  armed_ = true;
  seen_ = self_.doorbell.load(std::memory_order_acquire);  // partner: ring()
  self_.asleep.fetch_or(bit_, std::memory_order_relaxed);  // partner: wake_if_asleep()
  // Every post that does not see `asleep` is visible to us after this.
  heavy_fence(membarrier_);
}

/// Whoever wakes us takes `asleep` back. Otherwise it has been set all the time, for all to see.
void Waiter::stay_armed() {
  // In this order: whoever wakes us between the two loads leaves us unarmed, and not deaf.
  seen_ = self_.doorbell.load(std::memory_order_acquire);  // partner: ring()
  armed_ = (self_.asleep.load(std::memory_order_acquire) & bit_) != 0;
}

void Waiter::disarm() {
  armed_ = false;
  self_.asleep.fetch_and(~bit_, std::memory_order_relaxed);
}

}  // namespace tutti

// A pool of persistent threads that share one loop at a time. Between loops they spin briefly, since updates follow
// each other closely, then sleep, so that an idle pool uses no processor.
#include "core/parallel.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/machine.h"
#include "eaudeqn/error.h"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace eaudeqn {
namespace {

// About the cost of putting a thread to sleep and waking it: spinning longer than that wastes more than it can save.
constexpr std::chrono::microseconds kSpinTime{50};

void pause_processor() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until `ready()` or the time is over; whether it became ready.
template <typename Ready>
bool spin(bool allowed, const Ready& ready) {
  if (ready()) return true;
  if (!allowed) return false;
  const auto end = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      pause_processor();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

}  // namespace

// A loop is published by storing its length in `unclaimed`; whoever lowers `unclaimed` from r to r - 1 owns task
// count - r. `task` and `count` are read only by owners of a task, and for_each cannot return before they are done, so
// a thread that arrives late finds either nothing or a task of the next loop, and both are right.
struct ThreadPool::State {
  alignas(64) std::atomic<std::size_t> unclaimed{0};
  alignas(64) std::atomic<std::size_t> unfinished{0};
  alignas(64) std::atomic<int> sleeping_workers{0};
  std::atomic<bool> caller_sleeps{false};
  std::atomic<bool> stop{false};

  const std::function<void(std::size_t, int)>* task = nullptr;
  std::size_t count = 0;
  bool may_spin = true;

  std::mutex mutex;  // guards the sleeping and `error`
  std::condition_variable work_came;
  std::condition_variable work_ended;
  std::exception_ptr error;
  std::size_t error_task = 0;

  std::vector<std::thread> workers;

  void run_task(std::size_t number, int worker) {
    try {
      (*task)(number, worker);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error || number < error_task) {
        error = std::current_exception();
        error_task = number;
      }
    }
  }

  void run_available(int worker) {
    std::size_t seen = unclaimed.load(std::memory_order_relaxed);
    while (seen != 0) {
      if (!unclaimed.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire, std::memory_order_relaxed))
        continue;
      run_task(count - seen, worker);
      // Sequentially consistent, as the caller's `caller_sleeps` and check: one of the two sees the other.
      if (unfinished.fetch_sub(1) == 1 && caller_sleeps.load()) {
        const std::lock_guard lock(mutex);
        work_ended.notify_one();
      }
      seen = unclaimed.load(std::memory_order_relaxed);
    }
  }

  void work(int worker) {
    while (!stop.load(std::memory_order_relaxed)) {
      const auto wanted = [this] { return unclaimed.load() != 0 || stop.load(); };
      if (!spin(may_spin, wanted)) {
        std::unique_lock lock(mutex);
        sleeping_workers.fetch_add(1);
        work_came.wait(lock, wanted);
        sleeping_workers.fetch_sub(1);
      }
      run_available(worker);
    }
  }

  void wake(std::size_t useful) {
    const int sleeping = sleeping_workers.load();
    if (sleeping == 0) return;
    { const std::lock_guard lock(mutex); }  // whoever counts as sleeping now waits, or has yet to look at `unclaimed`
    for (std::size_t i = 0; i < useful && i < static_cast<std::size_t>(sleeping); ++i) work_came.notify_one();
  }

  void wait_for_end() {
    const auto ended = [this] { return unfinished.load() == 0; };
    if (spin(may_spin, ended)) return;
    std::unique_lock lock(mutex);
    caller_sleeps.store(true);
    work_ended.wait(lock, ended);
    caller_sleeps.store(false);
  }

  void shut_down() {
    stop.store(true);
    { const std::lock_guard lock(mutex); }
    work_came.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  void rethrow() {
    // No lock: every task has ended, and none can start before for_each returns.
    if (error) std::rethrow_exception(std::exchange(error, nullptr));
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  if (threads < 1) throw Error::usage("threads: got " + std::to_string(threads) + ", wants 1 or more");
  // With fewer processors than threads, a spinning thread keeps a working one from its processor.
  state_->may_spin = threads <= available_processors();
  state_->workers.reserve(static_cast<std::size_t>(threads) - 1);
  try {
    for (int worker = 1; worker < threads; ++worker) {
      state_->workers.emplace_back([state = state_.get(), worker] { state->work(worker); });
    }
  } catch (...) {
    state_->shut_down();
    throw;
  }
}

ThreadPool::~ThreadPool() { state_->shut_down(); }

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::for_each(std::size_t count, const std::function<void(std::size_t task, int worker)>& task) {
  State& state = *state_;
  state.task = &task;
  state.count = count;
  if (state.workers.empty() || count <= 1) {
    for (std::size_t number = 0; number < count; ++number) state.run_task(number, 0);
    return state.rethrow();
  }
  state.unfinished.store(count, std::memory_order_relaxed);
  state.unclaimed.store(count);
  state.wake(count - 1);
  state.run_available(0);
  state.wait_for_end();
  state.rethrow();
}

}  // namespace eaudeqn

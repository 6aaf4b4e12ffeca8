// Fixed work, any number of threads: a loop whose tasks each write their own outputs, so results do not depend on how
// many threads run it or in which order. Not a task graph, not a scheduler.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace eaudeqn {

// Thread safety: for_each is called by one thread at a time and not from inside a task.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // >= 1; the calling thread is one of them
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Runs task(0) .. task(count - 1), each once, and returns when all are done. `worker` in 0..threads()-1 selects
  // scratch memory. The first exception (by task number) is rethrown after all tasks ended.
  void for_each(std::size_t count, const std::function<void(std::size_t task, int worker)>& task);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace eaudeqn

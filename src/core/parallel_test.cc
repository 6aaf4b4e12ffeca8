#include "core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/test_directory.h"

namespace eaudeqn {
namespace {

class ThreadPoolOf : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolOf, testing::Values(1, 2, 3, 16));

TEST_P(ThreadPoolOf, RunsEveryTaskOnce) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.threads(), GetParam());
  for (const std::size_t count : {0, 1, 2, 3, 7, 1000}) {
    std::vector<std::atomic<int>> runs(count);
    pool.for_each(count, [&](std::size_t task, int) { ++runs.at(task); });
    for (const auto& run : runs) EXPECT_EQ(run, 1);
  }
}

TEST_P(ThreadPoolOf, GivesEachWorkerItsOwnNumber) {
  ThreadPool pool(GetParam());
  std::vector<std::atomic<int>> inside(static_cast<std::size_t>(GetParam()));
  std::atomic<bool> shared = false;
  pool.for_each(300, [&](std::size_t, int worker) {
    auto& mine = inside.at(static_cast<std::size_t>(worker));
    if (++mine != 1) shared = true;
    std::this_thread::yield();
    --mine;
  });
  EXPECT_FALSE(shared);
}

TEST_P(ThreadPoolOf, MakesWritesOfTasksVisibleToTheCaller) {
  ThreadPool pool(GetParam());
  std::vector<int> values(100);
  for (int round = 1; round <= 200; ++round) {
    pool.for_each(values.size(), [&](std::size_t task, int) { values[task] += 1; });
    ASSERT_EQ(std::accumulate(values.begin(), values.end(), 0), 100 * round);
  }
}

// A worker that comes late to one loop must not run tasks of it in the next: each loop's data dies with it.
TEST_P(ThreadPoolOf, KeepsQuickLoopsApart) {
  ThreadPool pool(GetParam());
  for (std::size_t round = 0; round < 3000; ++round) {
    const std::size_t count = 1 + round % 5;
    std::vector<std::size_t> rounds(count);
    pool.for_each(count, [&rounds, round](std::size_t task, int) { rounds.at(task) = round; });
    for (const std::size_t value : rounds) ASSERT_EQ(value, round);
  }
}

TEST_P(ThreadPoolOf, RethrowsTheExceptionOfTheLowestTaskAfterAllEnded) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> ended = 0;
    try {
      pool.for_each(40, [&](std::size_t task, int) {
        ++ended;
        if (task % 10 == 7) throw std::runtime_error(std::to_string(task));
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "7");
    }
    EXPECT_EQ(ended, 40);
  }
  int after = 0;
  pool.for_each(1, [&](std::size_t, int) { ++after; });  // and is usable as before
  EXPECT_EQ(after, 1);
}

TEST(ThreadPool, RunsTasksAtTheSameTime) {
  ThreadPool pool(2);
  std::atomic<int> arrived = 0;
  pool.for_each(2, [&](std::size_t, int) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();  // would never end on one thread
  });
  EXPECT_EQ(arrived, 2);
}

TEST(ThreadPool, WorksAfterItsThreadsWentToSleep) {
  ThreadPool pool(3);
  for (int round = 0; round < 10; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    std::atomic<int> arrived = 0;
    pool.for_each(3, [&](std::size_t, int) {
      ++arrived;
      while (arrived < 3) std::this_thread::yield();  // all three must wake
    });
  }
}

TEST(ThreadPool, UsesNoProcessorWhenIdle) {
  ThreadPool pool(2);
  pool.for_each(10, [](std::size_t, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const std::clock_t before = std::clock();  // processor time of all threads
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const double used_seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  EXPECT_LT(used_seconds, 0.02);
}

TEST(ThreadPool, RefusesLessThanOneThread) {
  EXPECT_NE(usage_message([] { ThreadPool pool(0); }).find("wants 1 or more"), std::string::npos);
}

}  // namespace
}  // namespace eaudeqn

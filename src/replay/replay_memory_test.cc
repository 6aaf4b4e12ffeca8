// Memory: memory_bytes against what is really allocated, counted by this program's own operator new.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <ostream>

#include "replay/naive_replay.h"
#include "replay/replay.h"
#include "replay/segment.h"

namespace {

std::atomic<std::size_t> allocated_bytes{0};

}  // namespace

void* operator new(std::size_t bytes) {
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  allocated_bytes += malloc_usable_size(memory);
  return memory;
}

void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  allocated_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }

namespace eaudeqn {
namespace {

struct MemoryCase {
  ReplaySpec spec;
  double mean_episode_length;
};

void PrintTo(const MemoryCase& layout, std::ostream* to) { *to << layout.spec.frame_bytes << " bytes a frame"; }

class ReplayMemoryOf : public testing::TestWithParam<MemoryCase> {};

TEST_P(ReplayMemoryOf, IsReportedAsAllocated) {
  const auto& [spec, mean_episode_length] = GetParam();
  RandomPlay play(spec.frame_bytes, mean_episode_length, 1);
  const std::size_t before = allocated_bytes;
  Replay replay(spec);
  for (int check = 0; check < 5; ++check) {
    for (int call = 0; call < 5000; ++call) play.step(replay);
    const auto really = static_cast<double>(allocated_bytes - before);
    EXPECT_NEAR(static_cast<double>(replay.memory_bytes()), really, 0.01 * really + 2048);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, ReplayMemoryOf,
    testing::Values(MemoryCase{{.capacity = 9000, .frame_bytes = 300, .stack = 4, .compress = true}, 100},
                    MemoryCase{{.capacity = 9000, .frame_bytes = 16}, 3}));

TEST(ReplayMemory, IsBoundedByTheCapacityAndOneSegmentAtEachEnd) {
  const std::size_t frame_bytes = 100;
  const std::size_t capacity = 10'000;
  Replay replay({.capacity = capacity, .frame_bytes = frame_bytes, .stack = 4});
  const std::vector<std::byte> frame(frame_bytes);
  replay.begin_episode(frame);
  std::size_t most = 0;
  for (int step = 0; step < 60'000; ++step) {
    replay.add(0, 0, false, false, frame);
    most = std::max(most, replay.memory_bytes());
  }
  const std::size_t record_bytes = frame_bytes + 12;
  // The open segment may hold twice what it needs while it grows.
  EXPECT_LT(most, (capacity + 3 * kRecordsPerSegment) * record_bytes + 64 * 1024);
}

}  // namespace
}  // namespace eaudeqn

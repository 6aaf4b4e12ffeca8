// What a sampled batch holds, compared with plain lists of all transitions ever added.
#include "replay/vector_replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/test_directory.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kObservation = 3, kAction = 2;

struct Transition {
  std::vector<float> observation, action, next_observation;
  float reward = 0, discount = 0;

  auto operator<=>(const Transition&) const = default;
};

std::vector<float> random_vector(std::size_t size, RandomStream& stream) {
  std::vector<float> values(size);
  for (float& value : values) value = static_cast<float>(stream.normal());
  return values;
}

// Episodes of random length, every third one terminal, the others truncated; returns all transitions in order.
std::vector<Transition> fill(VectorReplay& replay, std::size_t episodes, RandomStream& stream) {
  std::vector<Transition> all;
  for (std::size_t episode = 0; episode < episodes; ++episode) {
    std::vector<float> observation = random_vector(kObservation, stream);
    replay.begin_episode(observation);
    const std::size_t length = 1 + stream.below(9);
    for (std::size_t step = 1; step <= length; ++step) {
      const bool last = step == length;
      const bool terminal = last && episode % 3 == 0;
      Transition transition{observation, random_vector(kAction, stream), random_vector(kObservation, stream),
                            static_cast<float>(stream.normal()), terminal ? 0.0F : 0.97F};
      replay.add(transition.action, transition.reward, terminal, last && !terminal, transition.next_observation);
      observation = transition.next_observation;
      all.push_back(transition);
    }
  }
  return all;
}

std::vector<Transition> sample(VectorReplay& replay, std::size_t count, std::uint64_t seed) {
  RandomStream stream(seed, "sample");
  VectorBatch batch;
  replay.sample(stream, count, batch);
  const auto part = [](const std::vector<float>& rows, std::size_t b, std::size_t size) {
    const auto first = rows.begin() + static_cast<std::ptrdiff_t>(b * size);
    return std::vector<float>(first, first + static_cast<std::ptrdiff_t>(size));
  };
  std::vector<Transition> transitions;
  for (std::size_t b = 0; b < count; ++b) {
    transitions.push_back({part(batch.observations, b, kObservation), part(batch.actions, b, kAction),
                           part(batch.next_observations, b, kObservation), batch.rewards[b], batch.discounts[b]});
  }
  return transitions;
}

TEST(VectorReplay, SamplesExactlyTheNewestTransitionsWhole) {
  VectorReplay replay(50, kObservation, kAction, 0.97);
  RandomStream stream(1, "fill");
  const std::vector<Transition> all = fill(replay, 40, stream);
  ASSERT_GT(all.size(), 60u);
  ASSERT_EQ(replay.size(), 50u);
  const std::set<Transition> newest(all.end() - 50, all.end());
  const auto drawn = sample(replay, 2000, 7);
  EXPECT_EQ(std::set<Transition>(drawn.begin(), drawn.end()), newest);
}

TEST(VectorReplay, GoesOnWithTheSameBitsAfterSavingAndLoading) {
  const TestDirectory directory;
  VectorReplay replay(6'000, kObservation, kAction, 0.97);
  RandomStream stream(1, "fill");
  fill(replay, 1'200, stream);  // more than one segment
  ArchiveWriter writer;
  EXPECT_FALSE(replay.save(writer, "replay", directory.path()).empty());
  writer.write(directory / "archive");
  VectorReplay loaded(6'000, kObservation, kAction, 0.97);
  loaded.load(ArchiveReader(directory / "archive"), "replay", directory.path());
  RandomStream more(2, "more"), same(2, "more");
  fill(replay, 10, more);
  fill(loaded, 10, same);
  EXPECT_EQ(sample(replay, 500, 3), sample(loaded, 500, 3));
}

TEST(VectorReplay, TakesWhatItsHeaderSays) {
  VectorReplay replay(100'000, 348, 17, 0.99);
  RandomStream stream(1, "fill");
  replay.begin_episode(random_vector(348, stream));
  for (int step = 0; step < 4096; ++step) {
    replay.add(std::vector<float>(17), 0, false, false, std::vector<float>(348));
  }
  EXPECT_LT(static_cast<double>(replay.memory_bytes()), 1.02 * 4097 * (4 * (348 + 17) + 12) + 64'000);
}

TEST(VectorReplay, RefusesOtherSizes) {
  VectorReplay replay(10, kObservation, kAction, 0.97);
  EXPECT_THROW(replay.begin_episode(std::vector<float>(4)), Error);
  replay.begin_episode(std::vector<float>(3));
  EXPECT_THROW(replay.add(std::vector<float>(1), 0, false, false, std::vector<float>(3)), Error);
}

}  // namespace
}  // namespace eaudeqn

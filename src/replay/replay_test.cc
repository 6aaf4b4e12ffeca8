// What a replay promises while it runs. Saving and loading: replay_checkpoint_test.cc.
#include "replay/replay.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <set>
#include <string>
#include <utility>

#include "eaudeqn/error.h"
#include "replay/naive_replay.h"
#include "replay/segment.h"

namespace eaudeqn {
namespace {

// Frames of two equal bytes, so that an expectation can be written as a list of numbers.
std::vector<std::byte> frame(int value) { return std::vector<std::byte>(2, static_cast<std::byte>(value)); }

std::vector<int> values(const std::vector<std::byte>& planes) {
  std::vector<int> out;
  for (std::size_t i = 0; i < planes.size(); i += 2) {
    EXPECT_EQ(planes[i], planes[i + 1]);
    out.push_back(std::to_integer<int>(planes[i]));
  }
  return out;
}

ReplaySpec small_spec() { return {.capacity = 100, .frame_bytes = 2, .stack = 4, .compress = true}; }

// The sampled transition with the given action, of which there must be one.
Batch transition_with_action(const Replay& replay, int action) {
  RandomStream stream(1, "replay");
  Batch batch;
  for (int attempt = 0; attempt < 10'000; ++attempt) {
    replay.sample(stream, 1, batch);
    if (batch.actions[0] == action) return batch;
  }
  ADD_FAILURE() << "no transition with action " << action;
  return batch;
}

std::vector<int> sampled_actions(const Replay& replay) {
  RandomStream stream(2, "replay");
  Batch batch;
  replay.sample(stream, 200 * replay.size(), batch);
  std::set<int> seen(batch.actions.begin(), batch.actions.end());
  return {seen.begin(), seen.end()};
}

using Ints = std::vector<int>;

TEST(Replay, PadsTheStartOfAnEpisodeWithZeros) {
  Replay replay(small_spec());
  replay.begin_episode(frame(10));
  for (int i = 1; i <= 5; ++i) replay.add(i, 0, false, false, frame(10 + i));

  EXPECT_EQ(values(transition_with_action(replay, 1).observations), (Ints{0, 0, 0, 10}));
  EXPECT_EQ(values(transition_with_action(replay, 1).next_observations), (Ints{0, 0, 10, 11}));
  EXPECT_EQ(values(transition_with_action(replay, 3).observations), (Ints{0, 10, 11, 12}));
  EXPECT_EQ(values(transition_with_action(replay, 5).observations), (Ints{11, 12, 13, 14}));
  EXPECT_EQ(values(transition_with_action(replay, 5).next_observations), (Ints{12, 13, 14, 15}));
}

TEST(Replay, ShowsNoFrameOfAnotherEpisode) {
  Replay replay(small_spec());
  replay.begin_episode(frame(10));
  replay.add(1, 0, true, false, frame(11));
  replay.begin_episode(frame(20));
  replay.add(2, 0, false, false, frame(21));

  EXPECT_EQ(values(transition_with_action(replay, 1).next_observations), (Ints{0, 0, 10, 11}));
  EXPECT_EQ(values(transition_with_action(replay, 2).observations), (Ints{0, 0, 0, 20}));
  EXPECT_EQ(values(transition_with_action(replay, 2).next_observations), (Ints{0, 0, 20, 21}));
}

TEST(Replay, DoesNotBootstrapFromATerminalAndDoesFromATruncation) {
  Replay replay(small_spec());
  replay.begin_episode(frame(10));
  replay.add(1, 0.5F, true, false, frame(11));
  replay.begin_episode(frame(20));
  replay.add(2, 0.25F, false, true, frame(21));
  replay.begin_episode(frame(30));
  replay.add(3, 0, true, true, frame(31));  // both: the task ended

  EXPECT_EQ(transition_with_action(replay, 1).discounts[0], 0);
  EXPECT_EQ(transition_with_action(replay, 1).rewards[0], 0.5F);
  const Batch truncated = transition_with_action(replay, 2);
  EXPECT_EQ(truncated.discounts[0], 0.99F);
  EXPECT_EQ(truncated.rewards[0], 0.25F);
  EXPECT_EQ(values(truncated.next_observations), (Ints{0, 0, 20, 21}));
  EXPECT_EQ(transition_with_action(replay, 3).discounts[0], 0);
}

TEST(Replay, KeepsTheTransitionsOfAnAbandonedEpisode) {
  Replay replay(small_spec());
  replay.begin_episode(frame(10));
  replay.add(1, 0, false, false, frame(11));
  replay.begin_episode(frame(20));  // abandons the first
  replay.begin_episode(frame(30));  // abandons one without any step
  replay.add(3, 0, false, false, frame(31));

  EXPECT_EQ(replay.size(), 2U);
  EXPECT_EQ(transition_with_action(replay, 1).discounts[0], 0.99F);
  EXPECT_EQ(values(transition_with_action(replay, 1).next_observations), (Ints{0, 0, 10, 11}));
  EXPECT_EQ(values(transition_with_action(replay, 3).observations), (Ints{0, 0, 0, 30}));
}

TEST(Replay, SumsDiscountedRewardsOverNSteps) {
  ReplaySpec spec = small_spec();
  spec.n_step = 3;
  spec.gamma = 0.5;
  Replay replay(spec);
  replay.begin_episode(frame(10));
  for (int i = 1; i <= 4; ++i) replay.add(i, static_cast<float>(i), i == 4, false, frame(10 + i));

  const Batch first = transition_with_action(replay, 1);
  EXPECT_EQ(first.rewards[0], 1 + 0.5F * 2 + 0.25F * 3);
  EXPECT_EQ(first.discounts[0], 0.125F);
  EXPECT_EQ(values(first.observations), (Ints{0, 0, 0, 10}));
  EXPECT_EQ(values(first.next_observations), (Ints{10, 11, 12, 13}));
  const Batch second = transition_with_action(replay, 2);  // its third step is the terminal one
  EXPECT_EQ(second.rewards[0], 2 + 0.5F * 3 + 0.25F * 4);
  EXPECT_EQ(second.discounts[0], 0);
  const Batch last = transition_with_action(replay, 4);
  EXPECT_EQ(last.rewards[0], 4);
  EXPECT_EQ(last.discounts[0], 0);
  EXPECT_EQ(values(last.next_observations), (Ints{11, 12, 13, 14}));
}

TEST(Replay, DiscountsByTheStepsTakenBeforeATruncation) {
  ReplaySpec spec = small_spec();
  spec.n_step = 3;
  spec.gamma = 0.5;
  Replay replay(spec);
  replay.begin_episode(frame(10));
  for (int i = 1; i <= 4; ++i) replay.add(i, 1, false, i == 4, frame(10 + i));

  EXPECT_EQ(transition_with_action(replay, 2).discounts[0], 0.125F);
  EXPECT_EQ(transition_with_action(replay, 3).discounts[0], 0.25F);
  EXPECT_EQ(transition_with_action(replay, 4).discounts[0], 0.5F);
  EXPECT_EQ(values(transition_with_action(replay, 3).next_observations), (Ints{11, 12, 13, 14}));
}

TEST(Replay, WaitsForTheNStepsOrTheEndOfTheEpisode) {
  ReplaySpec spec = small_spec();
  spec.n_step = 3;
  Replay replay(spec);
  replay.begin_episode(frame(10));
  std::vector<std::size_t> sizes;
  for (int i = 1; i <= 5; ++i) {
    replay.add(i, 0, i == 5, false, frame(10 + i));
    sizes.push_back(replay.size());
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{0, 0, 1, 2, 5}));
}

TEST(Replay, SamplesExactlyTheNewestTransitions) {
  ReplaySpec spec = small_spec();
  spec.capacity = 5;
  Replay replay(spec);
  replay.begin_episode(frame(10));
  for (int i = 1; i <= 12; ++i) {
    replay.add(i, 0, false, i == 9, frame(10 + i));
    if (i == 9) replay.begin_episode(frame(50));
  }
  EXPECT_EQ(replay.size(), 5U);
  EXPECT_EQ(replay.total_added(), 12U);
  EXPECT_EQ(sampled_actions(replay), (Ints{8, 9, 10, 11, 12}));
  // Transition 8's stack needs frames of steps that can no longer be sampled.
  EXPECT_EQ(values(transition_with_action(replay, 8).observations), (Ints{14, 15, 16, 17}));
}

// Pearson's test at 1 in 1000 with 199 degrees of freedom, over a layout that punishes skipping the records without an
// action by moving to a neighbour: episodes of one to four steps, half of the capacity already overwritten.
TEST(Replay, SamplesUniformly) {
  ReplaySpec spec = small_spec();
  spec.capacity = 200;
  Replay replay(spec);
  int step = 0;
  while (step < 400) {
    replay.begin_episode(frame(1));
    const int length = 1 + step % 4;
    for (int i = 0; i < length; ++i) replay.add(step++, 0, i + 1 == length, false, frame(2));
  }
  const int draws_each = 500;
  RandomStream stream(3, "replay");
  Batch batch;
  replay.sample(stream, 200 * draws_each, batch);
  std::vector<int> counts(static_cast<std::size_t>(step));
  for (const int action : batch.actions) ++counts[static_cast<std::size_t>(action)];
  double chi_square = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (i + 200 < counts.size()) {
      EXPECT_EQ(counts[i], 0);
    } else {
      chi_square += std::pow(counts[i] - draws_each, 2) / draws_each;
    }
  }
  EXPECT_LT(chi_square, 266.4);
  EXPECT_GT(chi_square, 140.0);  // too even would be no independent draws
}

TEST(Replay, DrawsDependOnTheStreamAlone) {
  Replay replay(small_spec());
  RandomPlay play(2, 10, 5);
  for (int i = 0; i < 200; ++i) play.step(replay);
  RandomStream one(4, "replay");
  RandomStream other(4, "replay");
  Batch whole;
  Batch part;
  replay.sample(one, 64, whole);
  std::vector<std::int32_t> in_parts;
  for (int i = 0; i < 8; ++i) {
    replay.sample(other, 8, part);
    in_parts.insert(in_parts.end(), part.actions.begin(), part.actions.end());
  }
  EXPECT_EQ(whole.actions, in_parts);
  EXPECT_EQ(one.position(), other.position());
}

struct Case {
  std::string name;
  ReplaySpec spec;
  double mean_episode_length;
};

void PrintTo(const Case& layout, std::ostream* to) { *to << layout.name; }

class AgainstNaive : public testing::TestWithParam<Case> {};

TEST_P(AgainstNaive, SamplesTheSameBits) {
  const auto& [name, spec, mean_episode_length] = GetParam();
  Replay replay(spec);
  NaiveReplay naive(spec);
  RandomPlay play(spec.frame_bytes, mean_episode_length, 7);
  RandomStream stream(8, "replay");
  RandomStream same_stream(8, "replay");
  Batch batch;
  for (std::size_t call = 0; call < 3 * kRecordsPerSegment; ++call) {
    play.step(replay, naive);
    ASSERT_EQ(replay.size(), naive.size()) << "after call " << call;
    if (call % 7 != 0 || naive.size() == 0) continue;
    replay.sample(stream, 8, batch);
    ASSERT_EQ(batch, naive.sample(same_stream, 8)) << "after call " << call;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, AgainstNaive,
    testing::Values(
        Case{"Atari", {.capacity = 3000, .frame_bytes = 200, .stack = 4, .compress = true}, 100},
        Case{"AtariThreeStep", {.capacity = 700, .frame_bytes = 64, .stack = 4, .compress = true, .n_step = 3}, 12},
        Case{"NothingOverwritten", {.capacity = 100'000, .frame_bytes = 40, .stack = 4, .compress = true}, 30},
        Case{"Vectors", {.capacity = 1000, .frame_bytes = 16}, 20},
        Case{"VectorsThreeStep", {.capacity = 1000, .frame_bytes = 16, .n_step = 3, .gamma = 0.9}, 20},
        Case{"VectorsStacked", {.capacity = 1000, .frame_bytes = 3, .stack = 4}, 5},
        Case{"LongReturns", {.capacity = 300, .frame_bytes = 9, .stack = 2, .n_step = 10}, 15},
        Case{"OneStepEpisodes", {.capacity = 50, .frame_bytes = 5, .stack = 4, .compress = true}, 1.2},
        Case{"CapacityOne", {.capacity = 1, .frame_bytes = 5, .stack = 4, .compress = true}, 10},
        Case{"CapacityBelowNStep", {.capacity = 2, .frame_bytes = 5, .stack = 3, .n_step = 5}, 10},
        Case{"ByteFrames", {.capacity = 500, .frame_bytes = 1, .stack = 4, .compress = true}, 40},
        Case{"EndlessEpisode", {.capacity = 500, .frame_bytes = 20, .stack = 4, .compress = true}, 1e9}),
    [](const auto& layout) { return layout.param.name; });

TEST(Replay, RefusesWhatIsNotAnEpisode) {
  Replay replay(small_spec());
  EXPECT_THROW(replay.add(0, 0, false, false, frame(1)), Error);
  EXPECT_THROW(replay.begin_episode(std::vector<std::byte>(3)), Error);
  replay.begin_episode(frame(1));
  EXPECT_THROW(replay.add(0, 0, false, false, std::vector<std::byte>(1)), Error);
  replay.add(0, 0, true, false, frame(1));
  EXPECT_THROW(replay.add(0, 0, false, false, frame(1)), Error);
  EXPECT_EQ(replay.total_added(), 1U);
}

// What walk() shows, a line for each step.
std::vector<std::string> walked(const Replay& replay) {
  std::vector<std::string> lines;
  std::uint64_t episodes = 0;
  replay.walk([&](const RecordedStep& step) {
    if (step.first) ++episodes;
    lines.push_back(std::to_string(std::to_integer<int>(step.frame[1])) + " action " + std::to_string(step.action) +
                    " reward " + std::to_string(static_cast<int>(step.reward)) + (step.first ? " first" : "") +
                    (step.over ? " over" : ""));
  });
  EXPECT_EQ(replay.held().steps, lines.size());
  EXPECT_EQ(replay.held().episodes, episodes);
  return lines;
}

TEST(Replay, WalksThroughAllStepsInTheOrderOfTime) {
  ReplaySpec spec = small_spec();
  spec.n_step = 3;
  Replay replay(spec);
  EXPECT_TRUE(walked(replay).empty());
  replay.begin_episode(frame(10));
  replay.add(1, 5, false, false, frame(11));
  replay.add(2, 6, true, false, frame(12));
  replay.begin_episode(frame(20));
  replay.add(3, 7, false, true, frame(21));
  replay.begin_episode(frame(30));
  replay.add(4, 8, false, false, frame(31));
  replay.begin_episode(frame(40));  // the one before was abandoned
  replay.add(0, 9, false, false, frame(41));
  replay.add(1, 2, false, false, frame(42));  // waits for its n steps, and is shown
  EXPECT_EQ(walked(replay),
            (std::vector<std::string>{"10 action 1 reward 5 first", "11 action 2 reward 6 over",
                                      "20 action 3 reward 7 first over", "30 action 4 reward 8 first over",
                                      "40 action 0 reward 9 first", "41 action 1 reward 2"}));
  replay.begin_episode(frame(50));  // begun, and nothing yet
  EXPECT_EQ(walked(replay).size(), 6U);
}

TEST(Replay, WalksPastAnEpisodeWhoseBeginningIsGone) {
  ReplaySpec spec = small_spec();
  spec.capacity = 4;
  Replay replay(spec);
  replay.begin_episode(frame(10));
  for (int i = 1; i <= 3; ++i) replay.add(i, 0, i == 3, false, frame(10 + i));
  replay.begin_episode(frame(20));
  replay.add(7, 0, false, false, frame(21));
  EXPECT_EQ(walked(replay).size(), 4U);
  replay.add(8, 0, false, false, frame(22));  // the oldest step falls out
  EXPECT_EQ(walked(replay), (std::vector<std::string>{"20 action 7 reward 0 first", "21 action 8 reward 0"}));
}

TEST(Replay, RefusesToSampleNothing) {
  Replay replay(small_spec());
  RandomStream stream(1, "replay");
  Batch batch;
  EXPECT_THROW(replay.sample(stream, 1, batch), Error);
  replay.begin_episode(frame(1));
  EXPECT_THROW(replay.sample(stream, 1, batch), Error);
}

TEST(Replay, RefusesASpecThatCannotWork) {
  const auto kind_of = [](auto change) {
    ReplaySpec spec = small_spec();
    change(spec);
    try {
      Replay replay(spec);
    } catch (const Error& error) {
      return error.kind();
    }
    return Error::Kind::failure;
  };
  EXPECT_EQ(kind_of([](ReplaySpec& spec) { spec.capacity = 0; }), Error::Kind::usage);
  EXPECT_EQ(kind_of([](ReplaySpec& spec) { spec.frame_bytes = 0; }), Error::Kind::usage);
  EXPECT_EQ(kind_of([](ReplaySpec& spec) { spec.frame_bytes = largest_frame_bytes() + 1; }), Error::Kind::usage);
  EXPECT_EQ(kind_of([](ReplaySpec& spec) { spec.stack = 0; }), Error::Kind::usage);
  EXPECT_EQ(kind_of([](ReplaySpec& spec) { spec.n_step = 0; }), Error::Kind::usage);
  EXPECT_EQ(kind_of([](ReplaySpec& spec) { spec.gamma = std::nan(""); }), Error::Kind::usage);
}

}  // namespace
}  // namespace eaudeqn

// What a trace holds, on the environments that need no ROM.
#include "environments/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Trace, HasOneObservationMoreThanSteps) {
  const auto environment = make_environment("classic/MountainCar-v0", 0);
  const Trace trace = run_trace(*environment, std::vector<std::int64_t>{0, 1, 2}, std::nullopt);
  EXPECT_EQ(trace.element_type, "f4");
  EXPECT_THAT(trace.observation_shape, ElementsAre(4, 2));
  EXPECT_EQ(trace.observations.size(), 4 * 2 * sizeof(float));
  EXPECT_THAT(trace.rewards, ElementsAre(-1, -1, -1));
  EXPECT_THAT(trace.terminals, ElementsAre(0, 0, 0));
  EXPECT_THAT(trace.truncations, ElementsAre(0, 0, 0));
}

TEST(Trace, StartsFromTheGivenState) {
  const auto environment = make_environment("classic/MountainCar-v0", 0);
  const Trace trace = run_trace(*environment, std::vector<std::int64_t>{}, std::vector<double>{-0.25, 0.0625});
  float first[2];
  ASSERT_EQ(trace.observations.size(), sizeof(first));
  std::memcpy(first, trace.observations.data(), sizeof(first));
  EXPECT_THAT(first, ElementsAre(-0.25F, 0.0625F));
  EXPECT_TRUE(trace.rewards.empty());
}

TEST(Trace, StopsWithTheEpisode) {
  const auto ends = make_environment("classic/CartPole-v1", 0);
  const std::vector<std::int64_t> actions(1000, 1);
  const Trace terminal = run_trace(*ends, actions, std::nullopt);
  EXPECT_LT(terminal.rewards.size(), 20U);
  EXPECT_EQ(terminal.terminals.back(), 1);
  EXPECT_EQ(terminal.truncations.back(), 0);

  const auto cut = make_environment("classic/MountainCar-v0", 0);
  const Trace truncated = run_trace(*cut, actions, std::vector<double>{-1.0, 0.0});
  if (truncated.terminals.back() == 0) {
    EXPECT_EQ(truncated.rewards.size(), 200U);
    EXPECT_EQ(truncated.truncations.back(), 1);
  }
}

TEST(Trace, NamesTheIndexOfAnActionOutOfRangeBeforeStepping) {
  const auto environment = make_environment("classic/CartPole-v1", 0);
  for (const std::int64_t wrong : {std::int64_t{2}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    try {
      run_trace(*environment, std::vector<std::int64_t>{0, 1, wrong}, std::nullopt);
      FAIL() << "accepted " << wrong;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::usage);
      EXPECT_THAT(error.what(), HasSubstr("index 2"));
    }
  }
  EXPECT_THROW(environment->step(0), Error) << "not even reset";
}

TEST(Trace, RefusesActionsOfTheOtherKind) {
  const auto environment = make_environment("classic/CartPole-v1", 0);
  EXPECT_THROW(run_trace(*environment, std::vector<float>{0, 1}, std::nullopt), Error);
  EXPECT_THROW(run_trace(*environment, std::vector<double>{0, 1}, std::nullopt), Error);
}

}  // namespace
}  // namespace eaudeqn

// Environments by name, and what every one of them that needs no ROM promises (classic control stands for all).
#include "environments/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

using testing::HasSubstr;

// The message of the usage error that making `name` gives.
std::string usage_error(const std::string& name, std::int64_t horizon = 0) {
  try {
    make_environment(name, 0, horizon);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::usage);
    return error.what();
  }
  return "no error";
}

TEST(MakeEnvironment, MakesWhatIsListed) {
  const auto names = list_environments();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_THAT(names, testing::IsSupersetOf({"classic/Acrobot-v1", "classic/CartPole-v1", "classic/MountainCar-v0"}));
  for (const auto& name : names) {
    if (name.starts_with("atari/")) continue;  // atari_test.cc starts every game
    EXPECT_EQ(make_environment(name, 0)->spec().name, name);
  }
}

TEST(MakeEnvironment, NamesCloseOnesWhereTheNameIsUnknown) {
  EXPECT_THAT(usage_error("classic/CartPol-v1"), HasSubstr("did you mean classic/CartPole-v1"));
  EXPECT_THAT(usage_error("atari/Pon"), HasSubstr("atari/Pong"));
  EXPECT_THAT(usage_error("pong"), HasSubstr("atari/Pong"));
  EXPECT_THAT(usage_error("mujoco/Hopper-v4"), HasSubstr("did you mean mujoco/Hopper-v5"));
  EXPECT_THAT(usage_error("mujoco/walker"), HasSubstr("mujoco/Walker2d-v5"));
  EXPECT_THAT(usage_error("atari/ms_pacman"), HasSubstr("atari/MsPacman"));
}

TEST(MakeEnvironment, PointsToTheListWhereNothingIsClose) {
  EXPECT_THAT(usage_error("quux/Frobnicate"), HasSubstr("eaudeqn list environments"));
  EXPECT_THAT(usage_error(""), HasSubstr("eaudeqn list environments"));
}

TEST(MakeEnvironment, RefusesANegativeHorizon) { EXPECT_THAT(usage_error("classic/CartPole-v1", -1), HasSubstr("-1")); }

TEST(EnvironmentStep, RefusesAnActionOfTheOtherKind) {
  const auto discrete = make_environment("classic/CartPole-v1", 0);
  EXPECT_FALSE(discrete->spec().continuous());
  discrete->reset();
  EXPECT_THROW(discrete->step_continuous(std::vector<float>{0}), Error);
  EXPECT_THROW(discrete->step_continuous(std::vector<double>{0}), Error);
  EXPECT_TRUE(discrete->frame64().empty());
}

TEST(EnvironmentSpec, CountsTheElementsAndBytesOfAFrame) {
  EnvironmentSpec spec;
  spec.frame_shape = {84, 84};
  spec.frame_type = ElementType::uint8;
  EXPECT_EQ(spec.frame_elements(), 7056U);
  EXPECT_EQ(spec.frame_bytes(), 7056U);
  spec.frame_shape = {4};
  spec.frame_type = ElementType::float32;
  EXPECT_EQ(spec.frame_elements(), 4U);
  EXPECT_EQ(spec.frame_bytes(), 16U);
}

}  // namespace
}  // namespace eaudeqn

// A build without MuJoCo lists none of its tasks and says how to get them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eaudeqn/error.h"
#include "environments/environment.h"

namespace eaudeqn {
namespace {

TEST(MujocoAbsent, IsNotListed) {
  for (const auto& name : list_environments()) EXPECT_FALSE(name.starts_with("mujoco/")) << name;
}

TEST(MujocoAbsent, SaysHowToGetIt) {
  try {
    make_environment("mujoco/Hopper-v5", 0);
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::failure);
    EXPECT_THAT(error.what(), testing::HasSubstr("scripts/bootstrap"));
  }
}

}  // namespace
}  // namespace eaudeqn

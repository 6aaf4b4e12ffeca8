// The MuJoCo tasks' names and where their models are looked for; the order of places is atari_roms_test.cc's.
#include "environments/mujoco_models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "core/test_directory.h"
#include "eaudeqn/error.h"
#include "environments/mujoco.h"

namespace eaudeqn {
namespace {

using testing::HasSubstr;

TEST(MujocoEnvironments, AreTheSixOfTheBenchmarks) {
  EXPECT_THAT(mujoco_environments(),
              testing::ElementsAre("mujoco/Ant-v5", "mujoco/HalfCheetah-v5", "mujoco/Hopper-v5", "mujoco/Humanoid-v5",
                                   "mujoco/Swimmer-v5", "mujoco/Walker2d-v5"));
}

TEST(FindModel, LooksWhereTheVariableSaysFirst) {
  const TestDirectory directory;
  std::ofstream(directory / "walker2d_v5.xml") << "anything";
  setenv("EAUDEQN_MUJOCO_MODELS", directory.path().c_str(), 1);
  EXPECT_EQ(model_directories().size(), 3U);
  EXPECT_EQ(find_model("mujoco/Walker2d-v5"), directory / "walker2d_v5.xml");
  unsetenv("EAUDEQN_MUJOCO_MODELS");
  EXPECT_EQ(model_directories().size(), 2U);
  EXPECT_THAT(model_directories().front().string(), testing::EndsWith("share/eaudeqn/mujoco"));
}

TEST(FindModel, NamesTheFileAndEveryPlaceWhereItLooked) {
  try {
    find_model("mujoco/Hopper-v5", {"/nowhere/one", "/nowhere/two"});
    FAIL() << "found";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::failure);
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("hopper.xml"), HasSubstr("/nowhere/one"),
                                             HasSubstr("/nowhere/two"), HasSubstr("EAUDEQN_MUJOCO_MODELS")));
  }
  EXPECT_THROW(find_model("mujoco/Frog-v5"), Error);
}

}  // namespace
}  // namespace eaudeqn

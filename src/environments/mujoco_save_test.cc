// MuJoCo tasks are deterministic, and a saved one goes on to the same bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eaudeqn/error.h"
#include "environments/test_mujoco.h"

namespace eaudeqn {
namespace {

// One step, and the next episode where this one ends; returns the reward.
double advance(Environment& environment, RandomStream& stream) {
  const StepResult result = environment.step_continuous(random_action(environment.spec(), stream));
  if (result.terminal || result.truncated) environment.reset();
  return result.reward;
}

std::vector<std::byte> frame(const Environment& environment) {
  return {environment.frame().begin(), environment.frame().end()};
}

TEST(MujocoDeterminism, EqualSeedsAndActionsGiveEqualBits) {
  for (const auto& name : mujoco_environments()) {
    const auto one = make_mujoco(name, 7, 0);
    const auto same = make_mujoco(name, 7, 0);
    const auto other = make_mujoco(name, 8, 0);
    for (const auto& environment : {one.get(), same.get(), other.get()}) environment->reset();
    EXPECT_NE(observation(*one), observation(*other));
    RandomStream actions(1, "test");
    RandomStream same_actions(1, "test");
    for (int step = 0; step < 200; ++step) {
      const double reward = advance(*one, actions);
      ASSERT_EQ(advance(*same, same_actions), reward) << name << " step " << step;
      ASSERT_EQ(observation(*same), observation(*one)) << name << " step " << step;
    }
    const auto before = observation(*one);
    one->reset();
    EXPECT_NE(observation(*one), before);
  }
}

TEST(MujocoSave, ContinuesToTheSameBitsInAFreshEnvironmentAcrossEpisodes) {
  for (const auto& name : mujoco_environments()) {
    const auto original = make_mujoco(name, 3, 150);
    original->reset();
    RandomStream actions(2, "test");
    for (int step = 0; step < 137; ++step) advance(*original, actions);
    const auto saved = original->save();
    const auto restored = make_mujoco(name, 99, 0);  // another seed, another horizon: load brings its own
    restored->reset();
    RandomStream unrelated(5, "test");
    for (int step = 0; step < 3; ++step) advance(*restored, unrelated);
    restored->load(saved);
    EXPECT_EQ(restored->save(), saved);
    EXPECT_EQ(observation(*restored), observation(*original));
    EXPECT_EQ(frame(*restored), frame(*original));
    RandomStream same_actions(2, "test");
    same_actions.seek(actions.position());
    for (int step = 0; step < 400; ++step) {
      const double reward = advance(*original, actions);
      ASSERT_EQ(advance(*restored, same_actions), reward) << name << " step " << step;
      ASSERT_EQ(observation(*restored), observation(*original)) << name << " step " << step;
      ASSERT_EQ(frame(*restored), frame(*original));
    }
    EXPECT_EQ(restored->save(), original->save());
  }
}

TEST(MujocoSave, KeepsWhetherAnEpisodeRuns) {
  const auto unstarted = make_mujoco("mujoco/Hopper-v5", 1, 0);
  const auto environment = make_mujoco("mujoco/Hopper-v5", 2, 0);
  environment->reset();
  environment->load(unstarted->save());
  EXPECT_THROW(environment->step_continuous(std::vector<float>(3)), Error);
  environment->reset();
  unstarted->reset();
  EXPECT_EQ(observation(*environment), observation(*unstarted));
}

TEST(MujocoSave, RefusesTheStateOfAnotherTaskAndDamage) {
  const auto environment = make_mujoco("mujoco/Hopper-v5", 1, 0);
  EXPECT_THROW(environment->load(make_mujoco("mujoco/Walker2d-v5", 1, 0)->save()), Error);
  EXPECT_THROW(environment->load({}), Error);
  auto damaged = environment->save();
  damaged[damaged.size() / 2] ^= std::byte{1};
  EXPECT_THROW(environment->load(damaged), Error);
}

}  // namespace
}  // namespace eaudeqn

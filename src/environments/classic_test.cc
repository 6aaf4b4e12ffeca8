// Classic control against Gymnasium 1.4.0: its numbers for single steps, its rules for ends, its start distributions.
// tests/conformance compares whole episodes with Gymnasium itself.
#include "environments/classic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "eaudeqn/error.h"
#include "environments/test_statistics.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;
using testing::FloatEq;

std::unique_ptr<Environment> make(const std::string& task, std::uint64_t seed = 0, std::int64_t horizon = 0) {
  return make_classic("classic/" + task, seed, horizon);
}

std::vector<float> observation(const Environment& environment) {
  std::vector<float> values(environment.frame().size() / sizeof(float));
  std::memcpy(values.data(), environment.frame().data(), environment.frame().size());
  return values;
}

// Observation and result after `actions` from `state`.
struct Outcome {
  std::vector<float> observation;
  StepResult last;
};

Outcome play(Environment& environment, const std::vector<double>& state, const std::vector<int>& actions) {
  environment.reset();
  environment.set_initial_state(state);
  Outcome outcome;
  for (const int action : actions) outcome.last = environment.step(action);
  outcome.observation = observation(environment);
  return outcome;
}

// A policy that keeps the pole up for whole episodes.
int balancing_action(const Environment& environment) {
  const auto state = observation(environment);
  return state[2] + 0.5F * state[3] + 0.05F * state[0] + 0.1F * state[1] > 0 ? 1 : 0;
}

TEST(CartPole, DescribesItself) {
  const auto spec = make("CartPole-v1")->spec();
  EXPECT_EQ(spec.name, "classic/CartPole-v1");
  EXPECT_EQ(spec.frame_type, ElementType::float32);
  EXPECT_THAT(spec.frame_shape, ElementsAre(4));
  EXPECT_EQ(spec.stack, 1U);
  EXPECT_THAT(spec.action_names, ElementsAre("left", "right"));
  EXPECT_FALSE(spec.clip_rewards);
  EXPECT_EQ(spec.default_horizon, 500);
}

TEST(CartPole, MovesAsInGymnasium) {
  const auto environment = make("CartPole-v1");
  const std::vector<double> start = {0.01, -0.02, 0.03, 0.04};
  EXPECT_THAT(play(*environment, start, {1}).observation, ElementsAre(0.0096F, 0.174679196F, 0.0308F, -0.243068718F));
  EXPECT_THAT(play(*environment, start, {1, 0, 0}).observation,
              ElementsAre(0.012676207F, -0.216352921F, 0.0271219856F, 0.359920571F));
  EXPECT_EQ(play(*environment, start, {1}).last.reward, 1.0);
}

TEST(CartPole, FallsBeyondTwelveDegreesAndIsStillRewarded) {
  const auto environment = make("CartPole-v1");
  const double limit = 12 * 2 * std::acos(-1.0) / 360;
  const auto fallen = play(*environment, {0, 0, limit - 1e-3, 0.1}, {1});
  EXPECT_TRUE(fallen.last.terminal);
  EXPECT_FALSE(fallen.last.truncated);
  EXPECT_EQ(fallen.last.reward, 1.0);
  EXPECT_FALSE(play(*environment, {0, 0, limit - 1e-3, 0.0}, {1}).last.terminal);
  EXPECT_TRUE(play(*environment, {0, 0, -limit + 1e-3, -0.1}, {0}).last.terminal);
}

TEST(CartPole, EndsWhenTheCartLeavesTheTrack) {
  const auto environment = make("CartPole-v1");
  EXPECT_TRUE(play(*environment, {2.39, 1, 0, 0}, {0}).last.terminal);
  EXPECT_FALSE(play(*environment, {2.37, 1, 0, 0}, {0}).last.terminal);
  EXPECT_TRUE(play(*environment, {-2.39, -1, 0, 0}, {0}).last.terminal);
}

TEST(CartPole, IsTruncatedAfter500Steps) {
  const auto environment = make("CartPole-v1");
  environment->reset();
  for (int step = 1; step <= 500; ++step) {
    const StepResult result = environment->step(balancing_action(*environment));
    ASSERT_FALSE(result.terminal) << "step " << step;
    ASSERT_EQ(result.truncated, step == 500) << "step " << step;
  }
}

TEST(CartPole, IsTerminalAndNotTruncatedWhenBothFallOnTheSameStep) {
  const auto environment = make("CartPole-v1", 0, 1);
  const auto outcome = play(*environment, {2.39, 1, 0, 0}, {0});
  EXPECT_TRUE(outcome.last.terminal);
  EXPECT_FALSE(outcome.last.truncated);
}

TEST(CartPole, IsTruncatedAtAChosenHorizon) {
  const auto environment = make("CartPole-v1", 0, 3);
  environment->reset();
  EXPECT_FALSE(environment->step(0).truncated);
  EXPECT_FALSE(environment->step(1).truncated);
  EXPECT_TRUE(environment->step(0).truncated);
  EXPECT_EQ(environment->spec().default_horizon, 500) << "the task's own stays known";
}

TEST(Acrobot, DescribesItself) {
  const auto spec = make("Acrobot-v1")->spec();
  EXPECT_THAT(spec.frame_shape, ElementsAre(6));
  EXPECT_EQ(spec.actions(), 3U);
  EXPECT_EQ(spec.default_horizon, 500);
}

TEST(Acrobot, MovesAsInGymnasium) {
  const auto environment = make("Acrobot-v1");
  EXPECT_THAT(play(*environment, {0.1, -0.2, 0.3, -0.4}, {2}).observation,
              ElementsAre(0.991792142F, 0.127860665F, 0.977645636F, -0.210259438F, -0.0234847311F, 0.28679522F));
  const auto swing = play(*environment, {2.0, 3.0, 3.0, 4.0}, {0, 0});  // the second angle wraps at pi
  EXPECT_THAT(swing.observation,
              ElementsAre(-0.816522658F, 0.577313423F, 0.410505801F, -0.911857963F, -0.872238457F, 6.82181597F));
  EXPECT_EQ(swing.last.reward, -1.0);
  EXPECT_FALSE(swing.last.terminal);
}

TEST(Acrobot, HangsStillWithoutTorque) {
  const auto environment = make("Acrobot-v1");
  const auto outcome = play(*environment, {0, 0, 0, 0}, {1});
  EXPECT_NEAR(outcome.observation[0], 1, 1e-6);
  EXPECT_NEAR(outcome.observation[4], 0, 1e-6);
  EXPECT_EQ(outcome.last.reward, -1.0);
}

TEST(Acrobot, EndsWithoutCostAboveTheLine) {
  const auto environment = make("Acrobot-v1");
  const auto outcome = play(*environment, {std::acos(-1.0), 0, 0, 0}, {1});  // both links upright
  EXPECT_TRUE(outcome.last.terminal);
  EXPECT_EQ(outcome.last.reward, 0.0);
}

TEST(MountainCar, DescribesItself) {
  const auto spec = make("MountainCar-v0")->spec();
  EXPECT_THAT(spec.frame_shape, ElementsAre(2));
  EXPECT_EQ(spec.actions(), 3U);
  EXPECT_EQ(spec.default_horizon, 200);
}

TEST(MountainCar, MovesAsInGymnasium) {
  const auto environment = make("MountainCar-v0");
  EXPECT_THAT(play(*environment, {-0.5, 0.0}, {2}).observation, ElementsAre(-0.49917683F, 0.000823157F));
  const auto goal = play(*environment, {0.49, 0.05}, {2});
  EXPECT_THAT(goal.observation, ElementsAre(0.540748417F, 0.0507484339F));
  EXPECT_TRUE(goal.last.terminal);
  EXPECT_EQ(goal.last.reward, -1.0) << "reaching the goal costs a step as well";
}

TEST(MountainCar, StopsAtTheLeftWall) {
  const auto environment = make("MountainCar-v0");
  EXPECT_THAT(play(*environment, {-1.19, -0.05}, {0}).observation, ElementsAre(FloatEq(-1.2F), 0.0F));
}

TEST(MountainCar, IsTruncatedAfter200StepsAndPaysOneForEach) {
  const auto environment = make("MountainCar-v0");
  environment->reset();
  double sum = 0;
  for (int step = 1; step <= 200; ++step) {
    const StepResult result = environment->step(1);
    sum += result.reward;
    ASSERT_EQ(result.truncated, step == 200);
    ASSERT_FALSE(result.terminal);
  }
  EXPECT_EQ(sum, -200);
}

TEST(ClassicReset, DrawsFromGymnasiumsDistributions) {
  struct Case {
    const char* task;
    std::vector<std::size_t> drawn;  // observation elements that are (the sine of) a uniform draw
    double low, high;
  };
  for (const Case& test : {Case{"CartPole-v1", {0, 1, 2, 3}, -0.05, 0.05}, Case{"Acrobot-v1", {1, 3, 4, 5}, -0.1, 0.1},
                           Case{"MountainCar-v0", {0}, -0.6, -0.4}}) {
    const auto environment = make(test.task, 5);
    constexpr int draws = 4000;
    std::vector<std::vector<double>> samples(test.drawn.size());
    for (int draw = 0; draw < draws; ++draw) {
      environment->reset();
      const auto values = observation(*environment);
      for (std::size_t i = 0; i < test.drawn.size(); ++i) samples[i].push_back(values[test.drawn[i]]);
      if (std::string(test.task) == "MountainCar-v0") {
        ASSERT_EQ(values[1], 0.0F);
      }
    }
    for (auto& sample : samples) {
      EXPECT_TRUE(follows(sample, [&](double x) { return uniform_cumulative(x, test.low, test.high); })) << test.task;
      std::sort(sample.begin(), sample.end());
      EXPECT_GE(sample.front(), test.low - 1e-7);
      EXPECT_LE(sample.back(), test.high + 1e-7);
    }
  }
}

TEST(ClassicReset, FollowsTheSeedAndGoesOnThroughTheStream) {
  const auto first = make("CartPole-v1", 1);
  const auto same = make("CartPole-v1", 1);
  const auto other = make("CartPole-v1", 2);
  for (const auto& environment : {first.get(), same.get(), other.get()}) environment->reset();
  const auto start = observation(*first);
  EXPECT_EQ(start, observation(*same));
  EXPECT_NE(start, observation(*other));
  first->reset();
  EXPECT_NE(start, observation(*first));
}

TEST(ClassicSave, ContinuesToTheSameBitsInAFreshEnvironmentAcrossEpisodes) {
  for (const auto& name : classic_environments()) {
    const auto original = make_classic(name, 3, 60);
    const auto actions = original->spec().actions();
    std::size_t step = 0;
    const auto advance = [&](Environment& environment, std::size_t at) {
      const StepResult result = environment.step(static_cast<int>((at * 7 / 3) % actions));
      if (result.terminal || result.truncated) environment.reset();
    };
    original->reset();
    for (; step < 33; ++step) advance(*original, step);
    const auto saved = original->save();
    const auto restored = make_classic(name, 99, 0);  // another seed, another horizon: load brings its own
    restored->load(saved);
    EXPECT_EQ(observation(*restored), observation(*original));
    for (; step < 333; ++step) {
      advance(*original, step);
      advance(*restored, step);
      ASSERT_EQ(observation(*restored), observation(*original)) << name << " step " << step;
    }
    EXPECT_EQ(restored->save(), original->save());
  }
}

TEST(ClassicSave, RefusesTheStateOfAnotherTask) {
  EXPECT_THROW(make("CartPole-v1")->load(make("Acrobot-v1")->save()), Error);
  EXPECT_THROW(make("CartPole-v1")->load({}), Error);
}

TEST(ClassicInitialState, IsRefusedWhereItDoesNotFit) {
  const auto environment = make("CartPole-v1");
  const auto refused = [&](const std::vector<double>& state) {
    try {
      environment->set_initial_state(state);
    } catch (const Error& error) {
      return error.kind() == Error::Kind::usage;
    }
    return false;
  };
  EXPECT_TRUE(refused({0, 0, 0, 0})) << "before a reset";
  environment->reset();
  EXPECT_TRUE(refused({0, 0, 0}));
  EXPECT_TRUE(refused({0, 0, NAN, 0}));
  EXPECT_FALSE(refused({0, 0, 0, 0}));
  environment->step(0);
  EXPECT_TRUE(refused({0, 0, 0, 0})) << "in the middle of an episode";
}

// Whole turns were once taken off one by one, which at 1e300 changes nothing and went on for ever.
TEST(ClassicInitialState, FarFromThePossibleEndsAStepAllTheSame) {
  const auto environment = make("Acrobot-v1");
  for (const auto& state : {std::vector<double>{1e300, -1e17, 0, 0}, std::vector<double>{0, 0, 1e300, 0}}) {
    environment->reset();
    environment->set_initial_state(state);
    environment->step(0);
  }
}

TEST(ClassicStep, IsRefusedOutsideAnEpisodeAndForActionsThatAreNone) {
  const auto environment = make("CartPole-v1", 0, 1);
  EXPECT_THROW(environment->step(0), Error);
  environment->reset();
  EXPECT_THROW(environment->step(-1), Error);
  EXPECT_THROW(environment->step(2), Error);
  environment->step(0);
  EXPECT_THROW(environment->step(0), Error) << "the horizon was reached";
}

}  // namespace
}  // namespace eaudeqn

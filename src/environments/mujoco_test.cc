// The MuJoCo tasks against Gymnasium 1.4.0: its numbers for single steps, its rules for ends, its start distributions.
// mujoco_tasks_test.cc has the exact bounds, mujoco_save_test.cc saving and determinism; tests/conformance compares
// whole episodes with Gymnasium itself.
#include "environments/mujoco.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/test_directory.h"
#include "eaudeqn/error.h"
#include "environments/mujoco_models.h"
#include "environments/test_mujoco.h"
#include "environments/test_statistics.h"
#include "environments/trace.h"

namespace eaudeqn {
namespace {

using testing::Each;
using testing::HasSubstr;
using State = std::vector<double>;

std::unique_ptr<Environment> make(const std::string& task, std::uint64_t seed = 0, std::int64_t horizon = 0) {
  return make_mujoco("mujoco/" + task + "-v5", seed, horizon);
}

// A state at rest: `positions` and then zeros, `size` numbers.
State rest(State positions, std::size_t size) {
  positions.resize(size, 0.0);
  return positions;
}

template <typename T>
StepResult play(Environment& environment, const State& state, const std::vector<T>& action, int steps = 1) {
  environment.reset();
  environment.set_initial_state(state);
  StepResult last;
  for (int step = 0; step < steps; ++step) last = environment.step_continuous(std::span<const T>(action));
  return last;
}

// Whether a step from `state` without control ends the episode.
bool ends(Environment& environment, const State& state) {
  return play(environment, state, std::vector<double>(environment.spec().action_dimensions(), 0.0)).terminal;
}

TEST(MujocoSpec, DescribesItself) {
  struct Case {
    const char* task;
    std::size_t observation, action;
    float bound;
  };
  for (const Case& test : {Case{"Ant", 105, 8, 1}, Case{"HalfCheetah", 17, 6, 1}, Case{"Hopper", 11, 3, 1},
                           Case{"Humanoid", 348, 17, 0.4F}, Case{"Swimmer", 8, 2, 1}, Case{"Walker2d", 17, 6, 1}}) {
    const auto environment = make(test.task);
    const EnvironmentSpec& spec = environment->spec();
    EXPECT_EQ(spec.name, std::string("mujoco/") + test.task + "-v5");
    EXPECT_EQ(spec.frame_type, ElementType::float32);
    EXPECT_THAT(spec.frame_shape, testing::ElementsAre(test.observation));
    EXPECT_EQ(spec.stack, 1U);
    EXPECT_EQ(spec.actions(), 0U);
    EXPECT_TRUE(spec.continuous());
    EXPECT_EQ(spec.action_dimensions(), test.action);
    EXPECT_THAT(spec.action_low, Each(-test.bound));
    EXPECT_THAT(spec.action_high, Each(test.bound));
    EXPECT_EQ(spec.default_horizon, 1000);
    EXPECT_FALSE(spec.clip_rewards);
  }
}

// Gymnasium's numbers for two steps from the model's own state, all velocities 0.1.
struct Moved {
  const char* task;
  State positions;
  std::size_t velocities;
  std::vector<double> action, first_four;
  double reward;
};
const std::vector<Moved> moved = {
    {"Hopper",
     {0, 1.25, 0, 0, 0, 0},
     6,
     {0.3, -0.7, 0.9},
     {1.2500634584476518, -0.0054442302801645205, 0.0012431192737720736, -0.014378154968538982},
     1.000948776881766},
    {"Ant",
     {0, 0, 0.75, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
     14,
     {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8},
     {0.770539377834188, 0.9962101824530425, 0.018810645475350787, -0.02978947266168073},
     0.12711212234084068},
};

TEST(MujocoStep, MovesAsInGymnasium) {
  for (const Moved& test : moved) {
    const auto environment = make(test.task);
    State state = test.positions;
    state.resize(state.size() + test.velocities, 0.1);
    const StepResult result = play(*environment, state, test.action, 2);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(observation(*environment)[i], test.first_four[i], 1e-12);
    EXPECT_NEAR(result.reward, test.reward, 1e-12) << test.task;
    EXPECT_FALSE(result.terminal);
  }
}

TEST(MujocoStep, ChargesForFloatActionsInFloatAsGymnasiumDoes) {
  const auto environment = make("Ant");
  State state = moved[1].positions;
  state.resize(29, 0.1);
  const std::vector<float> action(moved[1].action.begin(), moved[1].action.end());
  // In double the control cost of these float32 numbers would give 0.12711214...
  EXPECT_NEAR(play(*environment, state, action, 2).reward, 0.12711215098900808, 1e-12);
}

TEST(MujocoStep, GivesAgentsTheRoundedObservation) {
  const auto environment = make("HalfCheetah");
  environment->reset();
  for (int step = 0; step < 3; ++step) {
    const auto precise = observation(*environment);
    std::vector<float> rounded(precise.begin(), precise.end());
    ASSERT_EQ(environment->frame().size(), rounded.size() * sizeof(float));
    EXPECT_EQ(std::memcmp(environment->frame().data(), rounded.data(), environment->frame().size()), 0);
    environment->step_continuous(std::vector<float>(6, 0.5F));
  }
}

TEST(MujocoEnds, WhereTheBodyIsNoLongerHealthy) {
  EXPECT_FALSE(ends(*make("Hopper"), rest({0, 1.25}, 12)));
  EXPECT_TRUE(ends(*make("Hopper"), rest({0, 1.25, 0.3}, 12)));
  EXPECT_FALSE(ends(*make("Walker2d"), rest({0, 1.25}, 18)));
  EXPECT_TRUE(ends(*make("Walker2d"), rest({0, 1.25, -1.1}, 18)));
  EXPECT_FALSE(ends(*make("Ant"), rest({0, 0, 0.75, 1}, 29)));
  EXPECT_TRUE(ends(*make("Ant"), rest({0, 0, 1.05, 1}, 29)));
  EXPECT_FALSE(ends(*make("Humanoid"), rest({0, 0, 1.4, 1}, 47)));
  EXPECT_TRUE(ends(*make("Humanoid"), rest({0, 0, 2.05, 1}, 47)));
}

TEST(MujocoEnds, UnhealthyStepsPayNoBonus) {
  const auto walker = make("Walker2d");
  const std::vector<double> none(6, 0.0);
  EXPECT_GT(play(*walker, rest({0, 1.95}, 18), none).reward, 0.5);
  EXPECT_LT(play(*walker, rest({0, 2.05}, 18), none).reward, 0.5);
}

TEST(MujocoEnds, CheetahAndSwimmerGoOnForAThousandSteps) {
  for (const char* task : {"HalfCheetah", "Swimmer"}) {
    const auto environment = make(task);
    RandomStream stream(1, "test");
    environment->reset();
    for (int step = 1; step <= 1000; ++step) {
      const StepResult result = environment->step_continuous(random_action(environment->spec(), stream));
      ASSERT_FALSE(result.terminal);
      ASSERT_EQ(result.truncated, step == 1000) << task << " step " << step;
    }
    EXPECT_THROW(environment->step_continuous(random_action(environment->spec(), stream)), Error);
  }
}

TEST(MujocoEnds, IsTerminalAndNotTruncatedWhenBothFallOnTheSameStep) {
  const auto environment = make("Hopper", 0, 1);
  const std::vector<double> none(3, 0.0);
  const StepResult fallen = play(*environment, rest({0, 0.6}, 12), none);
  EXPECT_TRUE(fallen.terminal);
  EXPECT_FALSE(fallen.truncated);
  const StepResult cut = play(*environment, rest({0, 1.25}, 12), none);
  EXPECT_FALSE(cut.terminal);
  EXPECT_TRUE(cut.truncated);
}

// Observation elements `first` and on are drawn around `centre`, in the order of the stream: positions, velocities.
struct Drawn {
  const char* task;
  std::size_t skipped, positions, velocities;  // skipped: positions that are not observed
  double noise;
  bool normal_velocity;
  State centre;  // of the observed positions; zeros beyond
};
const std::vector<Drawn> drawn = {
    {"Ant", 2, 15, 14, 0.1, true, {0.75, 1}},  {"HalfCheetah", 1, 9, 9, 0.1, true, {}},
    {"Hopper", 1, 6, 6, 0.005, false, {1.25}}, {"Humanoid", 2, 24, 23, 0.01, false, {1.4, 1}},
    {"Swimmer", 2, 5, 5, 0.1, false, {}},      {"Walker2d", 1, 9, 9, 0.005, false, {1.25}},
};

TEST(MujocoReset, DrawsFromGymnasiumsDistributions) {
  for (const Drawn& test : drawn) {
    const auto environment = make(test.task, 5);
    const std::size_t observed = test.positions - test.skipped;
    std::vector<State> samples(observed + test.velocities);
    for (int draw = 0; draw < 2000; ++draw) {
      environment->reset();
      const auto values = observation(*environment);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        samples[i].push_back(values[i] - (i < test.centre.size() ? test.centre[i] : 0));
      }
    }
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const bool normal = i >= observed && test.normal_velocity;
      EXPECT_TRUE(follows(samples[i],
                          [&](double x) {
                            return normal ? normal_cumulative(x, test.noise)
                                          : uniform_cumulative(x, -test.noise, test.noise);
                          }))
          << test.task << " observation " << i;
      if (normal) continue;
      const double bound = test.noise + 1e-15;  // the centre was added and taken off again
      EXPECT_THAT(samples[i], Each(testing::AllOf(testing::Ge(-bound), testing::Le(bound)))) << test.task;
    }
  }
}

TEST(MujocoReset, DrawsPositionsBeforeVelocities) {
  const auto environment = make("HalfCheetah", 9);
  environment->reset();
  RandomStream stream(9, "environment");
  State expected;
  for (int i = 0; i < 9; ++i) expected.push_back(stream.uniform(-0.1, 0.1));
  for (int i = 0; i < 9; ++i) expected.push_back(0.1 * stream.normal());
  expected.erase(expected.begin());
  EXPECT_EQ(observation(*environment), expected);
}

TEST(MujocoReset, StartsFromRestWhateverWasBefore) {
  const auto environment = make("Ant", 3);
  const auto fresh = make("Ant", 4);
  const State state = rest({0, 0, 0.6, 1}, 29);
  RandomStream stream(1, "test");
  environment->reset();
  for (int step = 0; step < 20; ++step) environment->step_continuous(random_action(environment->spec(), stream));
  const std::vector<double> action(8, 0.7);
  for (int steps = 1; steps < 6; ++steps) {
    const StepResult later = play(*environment, state, action, steps);
    const StepResult first = play(*fresh, state, action, steps);
    EXPECT_EQ(later.reward, first.reward);
    EXPECT_EQ(observation(*environment), observation(*fresh));
  }
}

TEST(MujocoInitialState, IsRefusedWhereItDoesNotFit) {
  const auto environment = make("Swimmer");
  EXPECT_THROW(environment->set_initial_state(State(10)), Error) << "before a reset";
  environment->reset();
  EXPECT_THROW(environment->set_initial_state(State(9)), Error);
  EXPECT_THROW(environment->set_initial_state(rest({NAN}, 10)), Error);
  EXPECT_NO_THROW(environment->set_initial_state(State(10)));
  EXPECT_THAT(observation(*environment), Each(0.0));
  environment->step_continuous(std::vector<float>(2));
  EXPECT_THROW(environment->set_initial_state(State(10)), Error) << "in the middle of an episode";
}

TEST(MujocoStep, IsRefusedOutsideAnEpisodeAndForActionsThatAreNone) {
  const auto environment = make("Hopper", 0, 1);
  const std::vector<float> action(3);
  EXPECT_THROW(environment->step_continuous(action), Error);
  environment->reset();
  EXPECT_THROW(environment->step(0), Error);
  EXPECT_THROW(environment->step_continuous(std::vector<float>(2)), Error);
  EXPECT_THROW(environment->step_continuous(std::vector<double>(4)), Error);
  EXPECT_THROW(environment->step_continuous(std::vector<float>{0, NAN, 0}), Error);
  EXPECT_THROW(environment->step_continuous(std::vector<double>{0, 0, INFINITY}), Error);
  EXPECT_NO_THROW(environment->step_continuous(std::vector<float>{5, 0, 0})) << "beyond the bounds, as in Gymnasium";
  EXPECT_THROW(environment->step_continuous(action), Error) << "the horizon was reached";
}

TEST(MujocoTrace, HoldsDoublesAndNamesWrongActions) {
  const auto environment = make("Swimmer");
  const Trace trace = run_trace(*environment, std::vector<double>{0.5, -0.5, 1, 1, 0, 0}, rest({}, 10));
  EXPECT_EQ(trace.element_type, "f8");
  EXPECT_THAT(trace.observation_shape, testing::ElementsAre(4, 8));
  State rows(4 * 8);
  ASSERT_EQ(trace.observations.size(), rows.size() * sizeof(double));
  std::memcpy(rows.data(), trace.observations.data(), trace.observations.size());
  EXPECT_EQ(State(rows.end() - 8, rows.end()), observation(*environment));
  EXPECT_EQ(trace.rewards.size(), 3U);

  EXPECT_THROW(run_trace(*environment, std::vector<std::int64_t>{0, 1}, std::nullopt), Error);
  EXPECT_THROW(run_trace(*environment, std::vector<float>{0, 1, 0}, std::nullopt), Error);
  try {
    run_trace(*environment, std::vector<float>{0, 1, 0, NAN}, std::nullopt);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("index 1"));
  }
}

// Sets EAUDEQN_MUJOCO_MODELS to a fresh directory while it lives, and that as working directory.
class ModelDirectory {
 public:
  ModelDirectory() {
    std::filesystem::current_path(path());
    setenv("EAUDEQN_MUJOCO_MODELS", path().c_str(), 1);
  }
  ~ModelDirectory() {
    unsetenv("EAUDEQN_MUJOCO_MODELS");
    std::filesystem::current_path(before_);
  }
  const std::filesystem::path& path() const { return directory_.path(); }

 private:
  std::filesystem::path before_ = std::filesystem::current_path();
  TestDirectory directory_;
};

std::string failure(const std::string& task) {
  try {
    make(task);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::failure);
    return error.what();
  }
  return "no error";
}

TEST(MujocoModel, IsRefusedWhenDamagedOrAnothers) {
  const auto hopper = find_model("mujoco/Hopper-v5");
  const ModelDirectory models;
  std::ofstream(models.path() / "ant.xml") << "<mujoco><worldbody>";
  EXPECT_THAT(failure("Ant"), testing::AllOf(HasSubstr("ant.xml"), HasSubstr("XML")));
  std::filesystem::copy_file(hopper, models.path() / "walker2d_v5.xml");
  EXPECT_THAT(failure("Walker2d"), HasSubstr("not Gymnasium's"));
}

TEST(MujocoModel, LeavesNoLogBehind) {
  const ModelDirectory here;
  make("HalfCheetah");  // whose model makes this version of MuJoCo warn
  EXPECT_TRUE(std::filesystem::is_empty(here.path()));
}

}  // namespace
}  // namespace eaudeqn

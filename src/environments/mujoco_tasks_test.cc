// The exact bounds of health and the roundings of the control cost, without a simulation step in between.
#include "environments/mujoco_tasks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "environments/mujoco.h"
#include "environments/mujoco_models.h"

namespace eaudeqn {
namespace {

const MujocoTask& task(const std::string& name) {
  for (const MujocoTask& candidate : mujoco_tasks()) {
    if (candidate.name == "mujoco/" + name + "-v5") return candidate;
  }
  throw std::runtime_error("no task " + name);
}

// A model with its state at rest; `healthy` sets one number of qpos, or of qvel behind it, and takes it back.
class AtRest {
 public:
  explicit AtRest(const std::string& name)
      : task_(task(name)),
        model_(mj_loadXML(find_model("mujoco/" + name + "-v5").c_str(), nullptr, nullptr, 0), mj_deleteModel),
        data_(mj_makeData(model_.get()), mj_deleteData) {}

  bool healthy(int index, double value) {
    double& number = index < model_->nq ? data_->qpos[index] : data_->qvel[index - model_->nq];
    const double before = std::exchange(number, value);
    const bool result = task_.healthy(*model_, *data_);
    number = before;
    return result;
  }

 private:
  const MujocoTask& task_;
  std::unique_ptr<mjModel, decltype(&mj_deleteModel)> model_;
  std::unique_ptr<mjData, decltype(&mj_deleteData)> data_;
};

constexpr double infinity = std::numeric_limits<double>::infinity();
double above(double value) { return std::nextafter(value, infinity); }
double below(double value) { return std::nextafter(value, -infinity); }

// Healthy strictly between the bounds.
void expect_open_range(AtRest& body, int index, double low, double high) {
  EXPECT_FALSE(body.healthy(index, low));
  EXPECT_TRUE(body.healthy(index, above(low)));
  EXPECT_TRUE(body.healthy(index, below(high)));
  EXPECT_FALSE(body.healthy(index, high));
  EXPECT_FALSE(body.healthy(index, NAN));
}

TEST(MujocoTasks, AreThoseOfTheList) {
  std::vector<std::string> names;
  for (const MujocoTask& each : mujoco_tasks()) names.emplace_back(each.name);
  EXPECT_EQ(names, mujoco_environments());
}

TEST(MujocoHealth, OfHopper) {
  AtRest hopper("Hopper");
  expect_open_range(hopper, 1, 0.7, infinity);
  expect_open_range(hopper, 2, -0.2, 0.2);
  for (int index = 3; index < 12; ++index) expect_open_range(hopper, index, -100, 100);
  EXPECT_TRUE(hopper.healthy(0, 1e6)) << "x is free";
}

TEST(MujocoHealth, OfWalker) {
  AtRest walker("Walker2d");
  expect_open_range(walker, 1, 0.8, 2.0);
  expect_open_range(walker, 2, -1.0, 1.0);
  EXPECT_TRUE(walker.healthy(9, 1e6)) << "velocities are free";
}

TEST(MujocoHealth, OfHumanoid) {
  AtRest humanoid("Humanoid");
  expect_open_range(humanoid, 2, 1.0, 2.0);
}

TEST(MujocoHealth, OfAntIncludesItsBounds) {
  AtRest ant("Ant");
  EXPECT_FALSE(ant.healthy(2, below(0.2)));
  EXPECT_TRUE(ant.healthy(2, 0.2));
  EXPECT_TRUE(ant.healthy(2, 1.0));
  EXPECT_FALSE(ant.healthy(2, above(1.0)));
  for (int index = 0; index < 29; ++index) {
    EXPECT_FALSE(ant.healthy(index, NAN));
    EXPECT_FALSE(ant.healthy(index, infinity));
  }
}

TEST(MujocoHealth, IsNoMatterToCheetahAndSwimmer) {
  EXPECT_TRUE(AtRest("HalfCheetah").healthy(1, -100));
  EXPECT_TRUE(AtRest("Swimmer").healthy(2, 100));
}

// NumPy's results for weight * numpy.sum(numpy.square(action)), float32 and float64.
TEST(MujocoControlCost, IsRoundedAsNumPyRounds) {
  struct Case {
    const char* task;
    float single;
    double exact;
  };
  const std::vector<double> action = {0.137,  -0.291, 0.383, 0.477,  -0.561, 0.619,  0.733, -0.811, 0.923,
                                      -0.071, 0.159,  0.263, -0.347, 0.431,  -0.523, 0.641, 0.757};
  for (const Case& test :
       {Case{"Ant", 1.18528F, 1.1852800000000001}, Case{"HalfCheetah", 0.117555F, 0.11755499999999999},
        Case{"Hopper", 0.000250139F, 0.000250139}, Case{"Swimmer", 1.0345e-05F, 1.0345e-05},
        Case{"Walker2d", 0.00117555F, 0.0011755499999999998}}) {
    const MujocoTask& each = task(test.task);
    const auto numbers = static_cast<std::ptrdiff_t>(each.actuators);
    const std::vector<double> precise(action.begin(), action.begin() + numbers);
    const std::vector<float> single(precise.begin(), precise.end());
    EXPECT_EQ(control_cost(each, single), double{test.single}) << test.task;
    EXPECT_EQ(control_cost(each, precise), test.exact) << test.task;
  }
  const std::vector<float> single(action.begin(), action.end());
  EXPECT_EQ(control_cost(task("Humanoid"), single), 0.4885608927977447) << "in double";
  EXPECT_EQ(control_cost(task("Humanoid"), action), 0.4885609000000001);
}

}  // namespace
}  // namespace eaudeqn

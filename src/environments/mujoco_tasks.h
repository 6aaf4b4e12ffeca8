// What each MuJoCo task observes, rewards, and counts as healthy: functions of the simulation. Episodes, seeds and time
// limits are mujoco.cc's job. Source: Gymnasium 1.4.0, the -v5 environments with their default arguments.
#pragma once

#include <mujoco/mujoco.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace eaudeqn {

// Reward = forward_weight * velocity + healthy_reward if healthy - control cost - contact_cost(). The control cost is
// control_weight times the sum of squares of the action.
struct MujocoTask {
  std::string_view name;  // "mujoco/Ant-v5"
  int positions;          // nq, nv, nu and nbody of its model
  int velocities;
  int actuators;
  int bodies;
  std::size_t observation_size;
  int frame_skip;              // simulation steps per step
  double reset_noise;          // qpos is drawn from U(-noise, noise) around the model's own state
  bool normal_velocity_noise;  // qvel from noise * N(0, 1), else as qpos
  double forward_weight;
  double control_weight;
  bool control_in_double;  // see control_cost
  double healthy_reward;
  double (*forward_position)(const mjModel& model, const mjData& data);  // metres along x; its change is the velocity
  double (*contact_cost)(const mjModel& model, const mjData& data);
  bool (*healthy)(const mjModel& model, const mjData& data);  // false ends the episode
  void (*observe)(const mjModel& model, const mjData& data, std::span<double> observation);
};

constexpr std::int64_t mujoco_time_limit = 1000;  // steps, of every task

std::span<const MujocoTask> mujoco_tasks();  // sorted by name

// control_weight times the sum of squares of the action in the action's own precision, as NumPy computes it:
// Gymnasium's reward for a float32 action is rounded differently from that for the same numbers in float64. With
// control_in_double it is always double, as Gymnasium's Humanoid takes the action from the simulation.
double control_cost(const MujocoTask& task, std::span<const float> action);
double control_cost(const MujocoTask& task, std::span<const double> action);

}  // namespace eaudeqn

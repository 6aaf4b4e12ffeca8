// The implementation of mujoco_tasks.h. Sums are in NumPy's order and precision, so that rewards equal Gymnasium's to
// the last bit.
#include "environments/mujoco_tasks.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <vector>

namespace eaudeqn {
namespace {

// The order in which NumPy adds up to 128 numbers that lie side by side: eight interleaved partial sums, joined in
// pairs, then the rest one by one.
constexpr std::size_t most_summed = 128;

template <typename T>
T numpy_sum(std::span<const T> values) {
  constexpr std::size_t lanes = 8;
  assert(values.size() <= most_summed);
  T sum = 0;
  std::size_t i = 0;
  if (values.size() >= lanes) {
    std::array<T, lanes> partial{};
    for (; i + lanes <= values.size(); i += lanes) {
      for (std::size_t lane = 0; lane < lanes; ++lane) partial[lane] += values[i + lane];
    }
    sum = ((partial[0] + partial[1]) + (partial[2] + partial[3])) +
          ((partial[4] + partial[5]) + (partial[6] + partial[7]));
  }
  for (; i < values.size(); ++i) sum += values[i];
  return sum;
}

template <typename T>
T sum_of_squares(std::span<const T> values) {
  std::array<T, most_summed> squares;
  for (std::size_t i = 0; i < values.size(); ++i) squares[i] = values[i] * values[i];
  return numpy_sum(std::span<const T>(squares).first(values.size()));
}

// The arrays of a simulation as spans; those with a row per body are flat.
std::span<const double> qpos(const mjModel& model, const mjData& data) {
  return {data.qpos, static_cast<std::size_t>(model.nq)};
}
std::span<const double> qvel(const mjModel& model, const mjData& data) {
  return {data.qvel, static_cast<std::size_t>(model.nv)};
}
std::span<const double> per_body(const mjModel& model, const mjtNum* values, std::size_t numbers) {
  return {values, static_cast<std::size_t>(model.nbody) * numbers};
}

// Fills an observation piece by piece; it must come out full.
class Observation {
 public:
  explicit Observation(std::span<double> values) : values_(values) {}
  ~Observation() { assert(filled_ == values_.size()); }
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;

  void add(std::span<const double> piece) {
    for (const double value : piece) values_[filled_++] = value;
  }
  void add_clamped(std::span<const double> piece, double limit) {
    for (const double value : piece) values_[filled_++] = std::clamp(value, -limit, limit);
  }

 private:
  std::span<double> values_;
  std::size_t filled_ = 0;
};

double first_coordinate(const mjModel&, const mjData& data) { return data.qpos[0]; }
double no_contact_cost(const mjModel&, const mjData&) { return 0; }
bool always_healthy(const mjModel&, const mjData&) { return true; }

// HalfCheetah: all but x.
void observe_half_cheetah(const mjModel& model, const mjData& data, std::span<double> values) {
  Observation observation(values);
  observation.add(qpos(model, data).subspan(1));
  observation.add(qvel(model, data));
}

// Swimmer: all but x and y.
void observe_swimmer(const mjModel& model, const mjData& data, std::span<double> values) {
  Observation observation(values);
  observation.add(qpos(model, data).subspan(2));
  observation.add(qvel(model, data));
}

// Hopper and Walker2d: all but x, velocities clamped.
void observe_walker(const mjModel& model, const mjData& data, std::span<double> values) {
  constexpr double velocity_limit = 10;
  Observation observation(values);
  observation.add(qpos(model, data).subspan(1));
  observation.add_clamped(qvel(model, data), velocity_limit);
}

bool walker_healthy(const mjModel&, const mjData& data) {
  const double height = data.qpos[1];
  const double angle = data.qpos[2];
  return 0.8 < height && height < 2.0 && -1.0 < angle && angle < 1.0;
}

bool hopper_healthy(const mjModel& model, const mjData& data) {
  const auto in_range = [](double value) { return -100.0 < value && value < 100.0; };
  const auto position = qpos(model, data).subspan(2);
  const auto velocity = qvel(model, data);
  const double height = data.qpos[1];
  const double angle = data.qpos[2];
  return std::all_of(position.begin(), position.end(), in_range) &&
         std::all_of(velocity.begin(), velocity.end(), in_range) && 0.7 < height && std::isfinite(height) &&
         -0.2 < angle && angle < 0.2;
}

// Ant. Contact forces are clamped to [-1, 1] everywhere.

constexpr double ant_force_limit = 1;
constexpr std::size_t ant_torso = 1;  // body; 0 is the world

double ant_position(const mjModel&, const mjData& data) { return data.xpos[3 * ant_torso]; }

double ant_contact_cost(const mjModel& model, const mjData& data) {
  const auto forces = per_body(model, data.cfrc_ext, 6);
  std::vector<double> clamped(forces.begin(), forces.end());
  for (double& force : clamped) force = std::clamp(force, -ant_force_limit, ant_force_limit);
  return 5e-4 * sum_of_squares(std::span<const double>(clamped));
}

bool ant_healthy(const mjModel& model, const mjData& data) {
  const auto finite = [](double value) { return std::isfinite(value); };
  const auto position = qpos(model, data);
  const auto velocity = qvel(model, data);
  const double height = data.qpos[2];
  return std::all_of(position.begin(), position.end(), finite) &&
         std::all_of(velocity.begin(), velocity.end(), finite) && 0.2 <= height && height <= 1.0;
}

void observe_ant(const mjModel& model, const mjData& data, std::span<double> values) {
  Observation observation(values);
  observation.add(qpos(model, data).subspan(2));
  observation.add(qvel(model, data));
  observation.add_clamped(per_body(model, data.cfrc_ext, 6).subspan(6), ant_force_limit);
}

// Humanoid. Its position is that of the centre of mass.

double humanoid_position(const mjModel& model, const mjData& data) {
  const std::span<const double> masses = per_body(model, model.body_mass, 1);
  double sum = 0;
  for (std::size_t body = 0; body < masses.size(); ++body) sum += masses[body] * data.xipos[3 * body];
  return sum / numpy_sum(masses);
}

double humanoid_contact_cost(const mjModel& model, const mjData& data) {
  return std::min(5e-7 * sum_of_squares(per_body(model, data.cfrc_ext, 6)), 10.0);
}

bool humanoid_healthy(const mjModel&, const mjData& data) { return 1.0 < data.qpos[2] && data.qpos[2] < 2.0; }

void observe_humanoid(const mjModel& model, const mjData& data, std::span<double> values) {
  constexpr std::size_t free_joint = 6;  // velocities of the torso, which no actuator moves
  const std::span<const double> actuator_forces(data.qfrc_actuator, static_cast<std::size_t>(model.nv));
  Observation observation(values);
  observation.add(qpos(model, data).subspan(2));
  observation.add(qvel(model, data));
  observation.add(per_body(model, data.cinert, 10).subspan(10));  // from here on without the world
  observation.add(per_body(model, data.cvel, 6).subspan(6));
  observation.add(actuator_forces.subspan(free_joint));
  observation.add(per_body(model, data.cfrc_ext, 6).subspan(6));
}

constexpr MujocoTask tasks[] = {
    {.name = "mujoco/Ant-v5",
     .positions = 15,
     .velocities = 14,
     .actuators = 8,
     .bodies = 14,
     .observation_size = 105,
     .frame_skip = 5,
     .reset_noise = 0.1,
     .normal_velocity_noise = true,
     .forward_weight = 1,
     .control_weight = 0.5,
     .control_in_double = false,
     .healthy_reward = 1,
     .forward_position = ant_position,
     .contact_cost = ant_contact_cost,
     .healthy = ant_healthy,
     .observe = observe_ant},

    {.name = "mujoco/HalfCheetah-v5",
     .positions = 9,
     .velocities = 9,
     .actuators = 6,
     .bodies = 8,
     .observation_size = 17,
     .frame_skip = 5,
     .reset_noise = 0.1,
     .normal_velocity_noise = true,
     .forward_weight = 1,
     .control_weight = 0.1,
     .control_in_double = false,
     .healthy_reward = 0,
     .forward_position = first_coordinate,
     .contact_cost = no_contact_cost,
     .healthy = always_healthy,
     .observe = observe_half_cheetah},

    {.name = "mujoco/Hopper-v5",
     .positions = 6,
     .velocities = 6,
     .actuators = 3,
     .bodies = 5,
     .observation_size = 11,
     .frame_skip = 4,
     .reset_noise = 5e-3,
     .normal_velocity_noise = false,
     .forward_weight = 1,
     .control_weight = 1e-3,
     .control_in_double = false,
     .healthy_reward = 1,
     .forward_position = first_coordinate,
     .contact_cost = no_contact_cost,
     .healthy = hopper_healthy,
     .observe = observe_walker},

    {.name = "mujoco/Humanoid-v5",
     .positions = 24,
     .velocities = 23,
     .actuators = 17,
     .bodies = 14,
     .observation_size = 348,
     .frame_skip = 5,
     .reset_noise = 1e-2,
     .normal_velocity_noise = false,
     .forward_weight = 1.25,
     .control_weight = 0.1,
     .control_in_double = true,
     .healthy_reward = 5,
     .forward_position = humanoid_position,
     .contact_cost = humanoid_contact_cost,
     .healthy = humanoid_healthy,
     .observe = observe_humanoid},

    {.name = "mujoco/Swimmer-v5",
     .positions = 5,
     .velocities = 5,
     .actuators = 2,
     .bodies = 4,
     .observation_size = 8,
     .frame_skip = 4,
     .reset_noise = 0.1,
     .normal_velocity_noise = false,
     .forward_weight = 1,
     .control_weight = 1e-4,
     .control_in_double = false,
     .healthy_reward = 0,
     .forward_position = first_coordinate,
     .contact_cost = no_contact_cost,
     .healthy = always_healthy,
     .observe = observe_swimmer},

    {.name = "mujoco/Walker2d-v5",
     .positions = 9,
     .velocities = 9,
     .actuators = 6,
     .bodies = 8,
     .observation_size = 17,
     .frame_skip = 4,
     .reset_noise = 5e-3,
     .normal_velocity_noise = false,
     .forward_weight = 1,
     .control_weight = 1e-3,
     .control_in_double = false,
     .healthy_reward = 1,
     .forward_position = first_coordinate,
     .contact_cost = no_contact_cost,
     .healthy = walker_healthy,
     .observe = observe_walker},

};

}  // namespace

std::span<const MujocoTask> mujoco_tasks() { return tasks; }

double control_cost(const MujocoTask& task, std::span<const float> action) {
  if (task.control_in_double) {
    const std::vector<double> control(action.begin(), action.end());
    return control_cost(task, control);
  }
  return static_cast<float>(task.control_weight) * sum_of_squares(action);
}

double control_cost(const MujocoTask& task, std::span<const double> action) {
  return task.control_weight * sum_of_squares(action);
}

}  // namespace eaudeqn

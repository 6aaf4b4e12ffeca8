// The implementation of classic_tasks.h. Operation order and roundings are Gymnasium's, because CartPole and Acrobot
// amplify a difference in the last bit to a visible one within an episode.
#include "environments/classic_tasks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace eaudeqn {
namespace {

constexpr double pi = std::numbers::pi;

void observe_state(std::span<const double> state, std::span<float> observation) {
  for (std::size_t i = 0; i < state.size(); ++i) observation[i] = static_cast<float>(state[i]);
}

// CartPole-v1. State: position, velocity, angle, angular velocity.

void draw_cart_pole(RandomStream& stream, std::span<double> state) {
  for (double& value : state) value = stream.uniform(-0.05, 0.05);
}

ClassicOutcome step_cart_pole(std::span<double> state, int action) {
  constexpr double gravity = 9.8;
  constexpr double pole_mass = 0.1;
  constexpr double total_mass = pole_mass + 1.0;
  constexpr double half_length = 0.5;
  constexpr double pole_mass_length = pole_mass * half_length;
  constexpr double seconds_per_step = 0.02;
  constexpr double position_limit = 2.4;
  constexpr double angle_limit = 12 * 2 * pi / 360;

  const double force = action == 1 ? 10.0 : -10.0;
  const double cosine = std::cos(state[2]);
  const double sine = std::sin(state[2]);
  const double angular_velocity = state[3];
  const double push = (force + pole_mass_length * (angular_velocity * angular_velocity) * sine) / total_mass;
  const double angular_acceleration =
      (gravity * sine - cosine * push) / (half_length * (4.0 / 3.0 - pole_mass * (cosine * cosine) / total_mass));
  const double acceleration = push - pole_mass_length * angular_acceleration * cosine / total_mass;

  state[0] += seconds_per_step * state[1];
  state[1] += seconds_per_step * acceleration;
  state[2] += seconds_per_step * state[3];
  state[3] += seconds_per_step * angular_acceleration;
  const bool fallen =
      state[0] < -position_limit || state[0] > position_limit || state[2] < -angle_limit || state[2] > angle_limit;
  return {1.0, fallen};  // the step that falls is rewarded as well
}

// Acrobot-v1. State: angle 1, angle 2, angular velocity 1, angular velocity 2.

using AcrobotState = std::array<double, 4>;

// Python's `x ** 2` calls the C library's pow, which is not x * x in the last bit for about one value in a thousand. A
// compiler that sees the exponent would use x * x.
double square_as_python_does(double value) {
  volatile double two = 2.0;
  return std::pow(value, two);
}

AcrobotState acrobot_derivative(const AcrobotState& state, double torque) {
  constexpr double gravity = 9.8;  // masses, lengths and moments of inertia are 1, centres of mass at 0.5
  const auto [angle1, angle2, velocity1, velocity2] = state;
  const double d1 = 0.25 + (1.25 + std::cos(angle2)) + 1.0 + 1.0;
  const double d2 = (0.25 + 0.5 * std::cos(angle2)) + 1.0;
  const double phi2 = 0.5 * gravity * std::cos(angle1 + angle2 - pi / 2.0);
  const double phi1 = -0.5 * square_as_python_does(velocity2) * std::sin(angle2) -
                      velocity2 * velocity1 * std::sin(angle2) + 1.5 * gravity * std::cos(angle1 - pi / 2) + phi2;
  const double acceleration2 =
      (torque + d2 / d1 * phi1 - 0.5 * square_as_python_does(velocity1) * std::sin(angle2) - phi2) /
      (0.25 + 1.0 - square_as_python_does(d2) / d1);
  const double acceleration1 = -(d2 * acceleration2 + phi1) / d1;
  return {velocity1, velocity2, acceleration1, acceleration2};
}

AcrobotState moved(const AcrobotState& state, double seconds, const AcrobotState& derivative) {
  AcrobotState result;
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = state[i] + seconds * derivative[i];
  return result;
}

// Between -pi and pi, by steps of a turn as Gymnasium does it. Only an initial state that was set can be far outside:
// there a step would change nothing, or take for ever.
double wrapped(double angle) {
  if (!(std::abs(angle) < 1e3)) return std::remainder(angle, 2 * pi);
  while (angle > pi) angle -= 2 * pi;
  while (angle < -pi) angle += 2 * pi;
  return angle;
}

void draw_acrobot(RandomStream& stream, std::span<double> state) {
  // Gymnasium keeps the drawn state, and only that one, in float32.
  for (double& value : state) value = static_cast<float>(stream.uniform(-0.1, 0.1));
}

ClassicOutcome step_acrobot(std::span<double> state, int action) {
  constexpr double seconds_per_step = 0.2;
  constexpr double velocity1_limit = 4 * pi;
  constexpr double velocity2_limit = 9 * pi;
  const double torque = action - 1;

  AcrobotState begin;
  std::copy(state.begin(), state.end(), begin.begin());
  const AcrobotState k1 = acrobot_derivative(begin, torque);
  const AcrobotState k2 = acrobot_derivative(moved(begin, seconds_per_step / 2.0, k1), torque);
  const AcrobotState k3 = acrobot_derivative(moved(begin, seconds_per_step / 2.0, k2), torque);
  const AcrobotState k4 = acrobot_derivative(moved(begin, seconds_per_step, k3), torque);
  for (std::size_t i = 0; i < begin.size(); ++i) {
    state[i] = begin[i] + seconds_per_step / 6.0 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
  }
  state[0] = wrapped(state[0]);
  state[1] = wrapped(state[1]);
  state[2] = std::clamp(state[2], -velocity1_limit, velocity1_limit);
  state[3] = std::clamp(state[3], -velocity2_limit, velocity2_limit);
  const bool swung_up = -std::cos(state[0]) - std::cos(state[1] + state[0]) > 1.0;
  return {swung_up ? 0.0 : -1.0, swung_up};
}

void observe_acrobot(std::span<const double> state, std::span<float> observation) {
  observation[0] = static_cast<float>(std::cos(state[0]));
  observation[1] = static_cast<float>(std::sin(state[0]));
  observation[2] = static_cast<float>(std::cos(state[1]));
  observation[3] = static_cast<float>(std::sin(state[1]));
  observation[4] = static_cast<float>(state[2]);
  observation[5] = static_cast<float>(state[3]);
}

// MountainCar-v0. State: position, velocity.

void draw_mountain_car(RandomStream& stream, std::span<double> state) {
  state[0] = stream.uniform(-0.6, -0.4);
  state[1] = 0.0;
}

ClassicOutcome step_mountain_car(std::span<double> state, int action) {
  constexpr double leftmost = -1.2;
  constexpr double rightmost = 0.6;
  constexpr double speed_limit = 0.07;
  constexpr double goal = 0.5;
  constexpr double force = 0.001;
  constexpr double gravity = 0.0025;

  double velocity = state[1] + ((action - 1) * force + std::cos(3 * state[0]) * (-gravity));
  velocity = std::clamp(velocity, -speed_limit, speed_limit);
  const double position = std::clamp(state[0] + velocity, leftmost, rightmost);
  if (position == leftmost && velocity < 0) velocity = 0;
  state[0] = position;
  state[1] = velocity;
  return {-1.0, position >= goal && velocity >= 0};
}

}  // namespace

const std::vector<ClassicTask>& classic_tasks() {
  static const std::vector<ClassicTask> tasks = {
      {"classic/Acrobot-v1",
       {"torque -1", "torque 0", "torque +1"},
       4,
       6,
       500,
       draw_acrobot,
       step_acrobot,
       observe_acrobot},
      {"classic/CartPole-v1", {"left", "right"}, 4, 4, 500, draw_cart_pole, step_cart_pole, observe_state},
      {"classic/MountainCar-v0",
       {"left", "coast", "right"},
       2,
       2,
       200,
       draw_mountain_car,
       step_mountain_car,
       observe_state},
  };
  return tasks;
}

}  // namespace eaudeqn

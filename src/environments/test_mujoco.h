// What the tests of the MuJoCo tasks share.
#pragma once

#include <cstring>
#include <vector>

#include "core/random.h"
#include "environments/mujoco.h"

namespace eaudeqn {

inline std::vector<double> observation(const Environment& environment) {
  const auto values = environment.frame64();
  return {values.begin(), values.end()};
}

// Uniform within the bounds of the environment's actions.
inline std::vector<float> random_action(const EnvironmentSpec& spec, RandomStream& stream) {
  std::vector<float> action(spec.action_dimensions());
  for (std::size_t i = 0; i < action.size(); ++i) {
    action[i] = static_cast<float>(stream.uniform(spec.action_low[i], spec.action_high[i]));
  }
  return action;
}

}  // namespace eaudeqn

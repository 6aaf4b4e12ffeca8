// The preconditions that every environment's step shares.
#pragma once

#include <cmath>
#include <span>
#include <string>

#include "eaudeqn/error.h"
#include "environments/environment.h"

namespace eaudeqn {

// Throws unless an episode is running and `action` is one of the environment's.
inline void require_step(const EnvironmentSpec& spec, bool running, int action) {
  if (!running) throw Error::failure(spec.name + ": step without an episode; reset comes first");
  if (action < 0 || static_cast<std::size_t>(action) >= spec.actions()) {
    throw Error::usage(spec.name + ": action " + std::to_string(action) + " is not in 0.." +
                       std::to_string(spec.actions() - 1));
  }
}

// The same for a continuous action, which is not held to its bounds.
template <typename T>
void require_step_continuous(const EnvironmentSpec& spec, bool running, std::span<const T> action) {
  if (!running) throw Error::failure(spec.name + ": step without an episode; reset comes first");
  if (action.size() != spec.action_dimensions()) {
    throw Error::usage(spec.name + ": an action of " + std::to_string(action.size()) + " numbers; it takes " +
                       std::to_string(spec.action_dimensions()));
  }
  for (std::size_t i = 0; i < action.size(); ++i) {
    if (!std::isfinite(action[i])) {
      throw Error::failure(spec.name + ": number " + std::to_string(i) + " of the action is not finite");
    }
  }
}

}  // namespace eaudeqn

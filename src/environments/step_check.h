// The precondition that every environment's step shares.
#pragma once

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

}  // namespace eaudeqn

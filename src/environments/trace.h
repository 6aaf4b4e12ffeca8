// A recorded episode under fixed actions: what `eaudeqn trace` writes. Not a rollout of a policy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "environments/environment.h"

namespace eaudeqn {

struct Trace {
  std::string element_type;                    // of the observations, NumPy's name: "u1", "f4", "f8"
  std::vector<std::size_t> observation_shape;  // [steps + 1, ...]: frame shape, then the stack if it is more than one
  std::vector<std::byte> observations;         // newest frame last in the innermost dimension
  std::vector<double> rewards;                 // [steps]
  std::vector<std::uint8_t> terminals;         // [steps] 0 or 1
  std::vector<std::uint8_t> truncations;       // [steps] 0 or 1
};

// Resets the environment, replaces the start state if one is given, and steps until the actions or the episode end.
// Continuous actions lie one after the other, action_dimensions() numbers each. Observations are in double precision
// where the environment has that (frame64). Throws Error::usage where the environment takes the other kind of action,
// naming the index of an action out of range or not finite (before the first step), or as set_initial_state does.
using InitialState = std::optional<std::vector<double>>;
Trace run_trace(Environment& environment, std::span<const std::int64_t> actions, const InitialState& initial_state);
Trace run_trace(Environment& environment, std::span<const float> actions, const InitialState& initial_state);
Trace run_trace(Environment& environment, std::span<const double> actions, const InitialState& initial_state);

}  // namespace eaudeqn

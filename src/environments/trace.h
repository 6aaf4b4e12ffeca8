// A recorded episode under fixed actions: what `eaudeqn trace` writes. Not a rollout of a policy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "environments/environment.h"

namespace eaudeqn {

struct Trace {
  ElementType element_type = ElementType::float32;
  std::vector<std::size_t> observation_shape;  // [steps + 1, ...]: frame shape, then the stack if it is more than one
  std::vector<std::byte> observations;         // newest frame last in the innermost dimension
  std::vector<double> rewards;                 // [steps]
  std::vector<std::uint8_t> terminals;         // [steps] 0 or 1
  std::vector<std::uint8_t> truncations;       // [steps] 0 or 1
};

// Resets the environment, replaces the start state if one is given, and steps until the actions or the episode end.
// Throws Error::usage naming the index of an action out of range (before the first step), or as set_initial_state does.
Trace run_trace(Environment& environment, std::span<const std::int64_t> actions,
                const std::optional<std::vector<double>>& initial_state);

}  // namespace eaudeqn

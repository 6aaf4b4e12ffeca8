// The implementation of trace.h.
#include "environments/trace.h"

#include <algorithm>
#include <string>

#include "eaudeqn/error.h"
#include "environments/frame_stack.h"

namespace eaudeqn {
namespace {

void require_actions(const EnvironmentSpec& spec, std::span<const std::int64_t> actions) {
  const auto count = static_cast<std::int64_t>(spec.actions());
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (actions[i] >= 0 && actions[i] < count) continue;
    throw Error::usage("action " + std::to_string(actions[i]) + " at index " + std::to_string(i) + " is not in 0.." +
                       std::to_string(count - 1) + ", the actions of " + spec.name);
  }
}

void append_observation(const FrameStack& stack, std::size_t frames, std::vector<std::byte>& observations) {
  const auto planes = stack.planes();
  const std::size_t begin = observations.size();
  observations.resize(begin + planes.size());
  const auto row = std::span(observations).subspan(begin);
  if (frames > 1) {
    interleave_planes(planes, frames, row);
  } else {
    std::copy(planes.begin(), planes.end(), row.begin());
  }
}

}  // namespace

Trace run_trace(Environment& environment, std::span<const std::int64_t> actions,
                const std::optional<std::vector<double>>& initial_state) {
  const EnvironmentSpec& spec = environment.spec();
  require_actions(spec, actions);
  // interleave_planes moves bytes, not wider elements.
  if (spec.stack > 1 && spec.frame_type != ElementType::uint8) {
    throw Error::failure(spec.name + ": trace stacks frames of bytes only");
  }

  Trace trace;
  trace.element_type = spec.frame_type;
  FrameStack stack(spec.stack, spec.frame_bytes());
  environment.reset();
  if (initial_state) environment.set_initial_state(*initial_state);
  stack.reset(environment.frame());
  append_observation(stack, spec.stack, trace.observations);
  for (const std::int64_t action : actions) {
    const StepResult result = environment.step(static_cast<int>(action));
    stack.push(environment.frame());
    append_observation(stack, spec.stack, trace.observations);
    trace.rewards.push_back(result.reward);
    trace.terminals.push_back(result.terminal ? 1 : 0);
    trace.truncations.push_back(result.truncated ? 1 : 0);
    if (result.terminal || result.truncated) break;
  }
  trace.observation_shape = {trace.rewards.size() + 1};
  for (const std::size_t size : spec.frame_shape) trace.observation_shape.push_back(size);
  if (spec.stack > 1) trace.observation_shape.push_back(spec.stack);
  return trace;
}

}  // namespace eaudeqn

// The implementation of trace.h.
#include "environments/trace.h"

#include <cmath>
#include <string>
#include <utility>

#include "core/frame_stack.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

void require_actions(const EnvironmentSpec& spec, std::span<const std::int64_t> actions) {
  if (spec.continuous()) {
    throw Error::usage(spec.name + ": an action is " + std::to_string(spec.action_dimensions()) +
                       " numbers here, not one of a list");
  }
  const auto count = static_cast<std::int64_t>(spec.actions());
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (actions[i] >= 0 && actions[i] < count) continue;
    throw Error::usage("action " + std::to_string(actions[i]) + " at index " + std::to_string(i) + " is not in 0.." +
                       std::to_string(count - 1) + ", the actions of " + spec.name);
  }
}

template <typename T>
void require_continuous_actions(const EnvironmentSpec& spec, std::span<const T> actions) {
  if (!spec.continuous()) throw Error::usage(spec.name + ": an action is one of a list here, not a vector");
  if (actions.size() % spec.action_dimensions() != 0) {
    throw Error::usage(std::to_string(actions.size()) + " numbers are not whole actions of " + spec.name +
                       ", which have " + std::to_string(spec.action_dimensions()) + " each");
  }
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (std::isfinite(actions[i])) continue;
    throw Error::usage("the action at index " + std::to_string(i / spec.action_dimensions()) +
                       " holds a number that is not finite");
  }
}

// The observations of a trace, one after the other.
class Observations {
 public:
  explicit Observations(const Environment& environment)
      : environment_(environment), stack_(environment.spec().stack, environment.spec().frame_bytes()) {
    // interleave_planes moves bytes, not wider elements.
    const EnvironmentSpec& spec = environment.spec();
    if (spec.stack > 1 && spec.frame_type != ElementType::uint8) {
      throw Error::failure(spec.name + ": trace stacks frames of bytes only");
    }
  }

  std::string element_type() const {
    if (!environment_.frame64().empty()) return "f8";
    return environment_.spec().npy_type();
  }

  void add(bool first) {
    const std::size_t frames = environment_.spec().stack;
    if (frames == 1) {
      const auto precise = std::as_bytes(environment_.frame64());
      const auto frame = precise.empty() ? environment_.frame() : precise;
      bytes_.insert(bytes_.end(), frame.begin(), frame.end());
      return;
    }
    first ? stack_.reset(environment_.frame()) : stack_.push(environment_.frame());
    const std::size_t begin = bytes_.size();
    bytes_.resize(begin + stack_.planes().size());
    interleave_planes(stack_.planes(), frames, std::span(bytes_).subspan(begin));
  }

  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  const Environment& environment_;
  FrameStack stack_;
  std::vector<std::byte> bytes_;
};

// `step(i)` takes the action of index i.
template <typename Step>
Trace record(Environment& environment, std::size_t steps, const InitialState& initial_state, const Step& step) {
  const EnvironmentSpec& spec = environment.spec();
  Observations observations(environment);
  environment.reset();
  if (initial_state) environment.set_initial_state(*initial_state);
  observations.add(true);
  Trace trace;
  for (std::size_t i = 0; i < steps; ++i) {
    const StepResult result = step(i);
    observations.add(false);
    trace.rewards.push_back(result.reward);
    trace.terminals.push_back(result.terminal ? 1 : 0);
    trace.truncations.push_back(result.truncated ? 1 : 0);
    if (result.terminal || result.truncated) break;
  }
  trace.element_type = observations.element_type();
  trace.observations = observations.take();
  trace.observation_shape = {trace.rewards.size() + 1};
  for (const std::size_t size : spec.frame_shape) trace.observation_shape.push_back(size);
  if (spec.stack > 1) trace.observation_shape.push_back(spec.stack);
  return trace;
}

template <typename T>
Trace record_continuous(Environment& environment, std::span<const T> actions, const InitialState& initial_state) {
  require_continuous_actions(environment.spec(), actions);
  const std::size_t dimensions = environment.spec().action_dimensions();
  return record(environment, actions.size() / dimensions, initial_state, [&](std::size_t i) {
    return environment.step_continuous(actions.subspan(i * dimensions, dimensions));
  });
}

}  // namespace

Trace run_trace(Environment& environment, std::span<const std::int64_t> actions, const InitialState& initial_state) {
  require_actions(environment.spec(), actions);
  return record(environment, actions.size(), initial_state,
                [&](std::size_t i) { return environment.step(static_cast<int>(actions[i])); });
}

Trace run_trace(Environment& environment, std::span<const float> actions, const InitialState& initial_state) {
  return record_continuous(environment, actions, initial_state);
}

Trace run_trace(Environment& environment, std::span<const double> actions, const InitialState& initial_state) {
  return record_continuous(environment, actions, initial_state);
}

}  // namespace eaudeqn

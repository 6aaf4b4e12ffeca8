// The physics of the classic control tasks: pure functions of a state vector. Episodes, seeds and time limits are
// classic.cc's job.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/random.h"

namespace eaudeqn {

struct ClassicOutcome {
  double reward;
  bool terminal;
};

struct ClassicTask {
  std::string name;  // "classic/CartPole-v1"
  std::vector<std::string> action_names;
  std::size_t state_size;
  std::size_t observation_size;
  std::int64_t time_limit;  // steps
  void (*draw)(RandomStream& stream, std::span<double> state);
  ClassicOutcome (*step)(std::span<double> state, int action);
  void (*observe)(std::span<const double> state, std::span<float> observation);
};

const std::vector<ClassicTask>& classic_tasks();  // sorted by name

}  // namespace eaudeqn

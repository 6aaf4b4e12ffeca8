// Episodes of a fixed network: returns, nothing learnt. Used by training, `evaluate` and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/network.h"

namespace eaudeqn {

struct EvaluationRequest {
  std::string environment;
  std::int64_t horizon = 0;    // 0: the task's own
  std::int64_t episodes = 10;  // whole episodes; used when steps is 0
  std::int64_t steps = 0;  // or: as many steps, the last episode unfinished and not counted (unless it is the only one)
  double epsilon = 0.01;
  std::uint64_t seed = 1;
};

struct EvaluationResult {
  std::vector<double> returns;  // unclipped, one per episode
  std::vector<std::int64_t> lengths;
  std::int64_t steps = 0;
  bool stopped = false;  // a stop was asked for before the end; the numbers are incomplete

  double mean_return() const;
};

// A function of network and request alone. `stop` is asked every step; `progress` (may be empty) is told after each
// step.
EvaluationResult evaluate(const Network& network, const EvaluationRequest& request, const std::function<bool()>& stop,
                          const std::function<void(const EvaluationResult&)>& progress = {});

}  // namespace eaudeqn

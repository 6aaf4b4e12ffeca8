// Episodes of a fixed network: returns, nothing learnt. Used by training, `evaluate` and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/network.h"
#include "environments/environment.h"

namespace eaudeqn {

struct EvaluationRequest {
  std::string environment;
  std::string policy;          // what messages about the network begin with: its file
  std::int64_t horizon = 0;    // 0: the task's own
  std::int64_t episodes = 10;  // whole episodes; used when steps is 0
  std::int64_t steps = 0;  // or: as many steps, the last episode unfinished and not counted (unless it is the only one)
  double epsilon = 0.01;
  std::uint64_t seed = 1;
};

// What is about to happen, for whoever films it. Valid during the call.
struct EvaluationView {
  Environment& environment;
  std::span<const std::byte> observation;  // planes, as the network reads them
  std::span<const float> values;           // Q of every action; continuous: the mean action, -1 .. 1
  int action = -1;                         // discrete: the one that is taken
  bool random = false;                     // the action was drawn, not chosen
  bool over = false;                       // the episode has ended and nothing more is done; values are the last ones
  std::int64_t episode = 0, step = 0;      // from 0; step counts in the episode
  double episode_return = 0;               // so far
};

struct EvaluationResult {
  std::vector<double> returns;  // unclipped, one per episode
  std::vector<std::int64_t> lengths;
  std::int64_t steps = 0;
  bool stopped = false;  // a stop was asked for before the end; the numbers are incomplete

  double mean_return() const;
};

// Throws Error::failure, beginning with `origin`, if the network does not read what the environment shows, or its
// outputs are not one for each action (twice the dimensions where actions are vectors).
void require_fit(const Network& network, const EnvironmentSpec& environment, const std::string& origin);

// A function of network and request alone. Throws as above. `stop` is asked every step; `progress` (may be empty) is
// told after each step, `watch` (may be empty) before each and at an episode's end.
EvaluationResult evaluate(const Network& network, const EvaluationRequest& request, const std::function<bool()>& stop,
                          const std::function<void(const EvaluationResult&)>& progress = {},
                          const std::function<void(const EvaluationView&)>& watch = {});

}  // namespace eaudeqn

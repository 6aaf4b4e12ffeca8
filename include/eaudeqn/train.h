// The one training loop: environment, replay, agent, schedules, evaluation, metrics, checkpoints, in the order that the
// paper's pseudo-code gives. A run is a function of its config: the loop never looks at a clock to decide anything.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "eaudeqn/config.h"

namespace eaudeqn {

struct TrainOptions {
  std::filesystem::path output;  // the run directory
  bool resume = false;           // go on from the newest checkpoint (or begin, if there is none)
  int threads = 1;
  bool quiet = false;  // no progress
};

enum class TrainOutcome { finished, stopped, already_finished };

// Trains to config.training.steps or until stop_requested(); leaves config.toml, metrics.jsonl, timing.jsonl,
// TensorBoard events, checkpoints/ and policy.safetensors in the run directory. Throws Error: usage if the directory
// holds a run and resume is not set, or a run of another config; failure for everything that goes wrong on the way (the
// newest whole checkpoint stays). One process at a time per directory.
TrainOutcome train(const Config& config, const TrainOptions& options);

// Threads that pay for this config on this machine, when the user does not say.
int default_threads(const Config& config);

}  // namespace eaudeqn

// Everything that a run is in the middle of: learner (agent and memory), environment, counters; saved and restored as
// one. The loop that moves it is trainer.cc.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "core/archive.h"
#include "eaudeqn/config.h"
#include "environments/environment.h"
#include "experiment/checkpoints.h"
#include "experiment/learner.h"

namespace eaudeqn {

struct Counters {
  std::int64_t step = 0;      // environment steps done
  std::int64_t updates = 0;   // gradient steps of each network
  std::int64_t episodes = 0;  // finished
  std::int64_t episode_length = 0;
  double episode_return = 0;         // unclipped
  std::int64_t evaluated_step = -1;  // of the last evaluation, so that a resumed run does not repeat or skip one
  std::uint64_t metrics_bytes = 0;   // size of metrics.jsonl
};

class RunState {
 public:
  explicit RunState(const Config& config);

  // The first episode of a new run.
  void begin();

  // Writes the checkpoint of counters.step; the caller has set counters.metrics_bytes.
  void save(const Config& config, CheckpointFolder& folder);
  // Throws Error::failure naming the file and the failed check, Error::usage for a checkpoint of another config.
  void load(const Config& config, CheckpointFolder& folder, std::int64_t step);

  Counters counters;
  std::unique_ptr<Environment> environment;
  std::unique_ptr<Learner> learner;
  std::deque<double> recent_returns;  // of the last episodes, for the progress line only

 private:
  void read(const ArchiveReader& archive, CheckpointFolder& folder, std::int64_t step);
};

}  // namespace eaudeqn

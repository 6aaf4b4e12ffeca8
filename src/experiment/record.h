// Datasets for offline learning: of what a policy does now, and of what a training run has done. Nothing is learnt.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/network.h"

namespace eaudeqn {

struct RecordRequest {
  std::string environment;
  std::string policy;        // what messages about the network begin with: its file
  std::int64_t horizon = 0;  // 0: the task's own
  std::uint64_t steps = 0;   // entries of the dataset; on Atari each episode's first three are zeros
  double epsilon = 0.01;     // share of random actions
  std::uint64_t seed = 1;
  std::filesystem::path output;
};

struct RecordProgress {
  std::uint64_t written = 0;
  std::int64_t episodes = 0;  // finished
  double return_sum = 0;      // of these, unclipped
};

// A function of network and request alone; no network: all actions are random. The last episode is cut where the steps
// are full. `stop` is asked every step: what is not a whole file then is removed, and Error::failure thrown.
RecordProgress record_dataset(const Network* network, const RecordRequest& request, const std::function<bool()>& stop,
                              const std::function<void(const RecordProgress&)>& progress);

struct ReplayRecordRequest {
  std::filesystem::path run;  // directory of a training run that is not going on
  std::filesystem::path output;
};

struct ReplayRecordSize {
  std::uint64_t entries = 0;    // of the dataset
  std::uint64_t steps = 0;      // of the run that are in it
  std::uint64_t run_steps = 0;  // that the run had taken at its newest checkpoint
  std::uint64_t episodes = 0;   // begun
};

// Writes the replay of the run's newest checkpoint: all its steps if replay.capacity held them, else the newest whole
// episodes. `progress` is told how many entries are written, of all. Throws Error::usage where the run has no replay of
// frames, Error::failure for a run that is in use or damaged; `stop` as above.
ReplayRecordSize record_replay(const ReplayRecordRequest& request, const std::function<bool()>& stop,
                               const std::function<void(std::uint64_t, const ReplayRecordSize&)>& progress);

}  // namespace eaudeqn

// Plays an environment and writes what happens as a dataset for offline learning. Nothing is learnt.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/network.h"

namespace eaudeqn {

struct RecordRequest {
  std::string environment;
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

}  // namespace eaudeqn

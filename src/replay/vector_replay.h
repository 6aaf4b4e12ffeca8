// Uniform experience replay of vector observations and continuous actions, exact in float32. A thin form of Replay,
// whose episodes, segments and checkpoints serve it unchanged; no n-step returns.
#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "replay/replay.h"

namespace eaudeqn {

// B sampled transitions, row by row.
struct VectorBatch {
  std::vector<float> observations, next_observations;  // [B][observation size]
  std::vector<float> actions;                          // [B][action size]
  std::vector<float> rewards;                          // [B]
  std::vector<float> discounts;  // [B] gamma; 0 where the episode terminated. A truncated one bootstraps
};

// Every observation is stored once, with the action that led to it: 4 (observation size + action size) + 12 bytes a
// transition and as much for each episode's first one. A million of Hopper-v5 take 68 MB, of Humanoid-v5 1.47 GB.
// Thread safety: as Replay.
class VectorReplay {
 public:
  VectorReplay(std::size_t capacity, std::size_t observation_size, std::size_t action_size, double gamma);

  // An episode is begin_episode(first observation), then add(...) for each step with the observation that followed.
  void begin_episode(std::span<const float> observation);
  void add(std::span<const float> action, float reward, bool terminal, bool truncated,
           std::span<const float> next_observation);

  std::size_t size() const { return replay_.size(); }
  std::size_t memory_bytes() const { return replay_.memory_bytes(); }

  // `batch_size` transitions drawn independently and uniformly from the newest `capacity`. Needs size() >= 1.
  void sample(RandomStream& stream, std::size_t batch_size, VectorBatch& batch);

  // As Replay::save and Replay::load.
  std::set<std::string> save(ArchiveWriter& archive, const std::string& prefix, const std::filesystem::path& segments) {
    return replay_.save(archive, prefix, segments);
  }
  void load(const ArchiveReader& archive, const std::string& prefix, const std::filesystem::path& segments) {
    replay_.load(archive, prefix, segments);
  }

 private:
  std::span<const std::byte> frame_of(std::span<const float> observation, std::span<const float> action);

  std::size_t observation_size_, action_size_;
  std::vector<float> frame_;  // an observation, then the action that led to it (zeros for an episode's first)
  Replay replay_;
  Batch sampled_;
};

}  // namespace eaudeqn

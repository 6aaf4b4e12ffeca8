// See vector_replay.h.
#include "replay/vector_replay.h"

#include <algorithm>
#include <cstring>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

ReplaySpec replay_spec(std::size_t capacity, std::size_t frame_size, double gamma) {
  ReplaySpec spec;
  spec.capacity = capacity;
  spec.frame_bytes = frame_size * sizeof(float);
  spec.gamma = gamma;
  return spec;
}

void copy_floats(const std::byte* from, std::size_t count, float* to) {
  if (count > 0) std::memcpy(to, from, count * sizeof(float));
}

}  // namespace

VectorReplay::VectorReplay(std::size_t capacity, std::size_t observation_size, std::size_t action_size, double gamma)
    : observation_size_(observation_size),
      action_size_(action_size),
      frame_(observation_size + action_size),
      replay_(replay_spec(capacity, observation_size + action_size, gamma)) {}

std::span<const std::byte> VectorReplay::frame_of(std::span<const float> observation, std::span<const float> action) {
  if (observation.size() != observation_size_ || action.size() != action_size_) {
    throw Error::failure("replay: got an observation of " + std::to_string(observation.size()) +
                         " numbers and an action of " + std::to_string(action.size()) + ", expected " +
                         std::to_string(observation_size_) + " and " + std::to_string(action_size_) +
                         "; use one environment per replay");
  }
  std::copy(observation.begin(), observation.end(), frame_.begin());
  std::copy(action.begin(), action.end(), frame_.begin() + static_cast<std::ptrdiff_t>(observation_size_));
  return std::as_bytes(std::span(frame_));
}

void VectorReplay::begin_episode(std::span<const float> observation) {
  replay_.begin_episode(frame_of(observation, std::vector<float>(action_size_, 0.0F)));
}

void VectorReplay::add(std::span<const float> action, float reward, bool terminal, bool truncated,
                       std::span<const float> next_observation) {
  replay_.add(0, reward, terminal, truncated, frame_of(next_observation, action));
}

void VectorReplay::sample(RandomStream& stream, std::size_t batch_size, VectorBatch& batch) {
  replay_.sample(stream, batch_size, sampled_);
  batch.observations.resize(batch_size * observation_size_);
  batch.next_observations.resize(batch_size * observation_size_);
  batch.actions.resize(batch_size * action_size_);
  const std::size_t frame_bytes = frame_.size() * sizeof(float);
  for (std::size_t b = 0; b < batch_size; ++b) {
    const std::byte* next = sampled_.next_observations.data() + b * frame_bytes;
    copy_floats(sampled_.observations.data() + b * frame_bytes, observation_size_,
                batch.observations.data() + b * observation_size_);
    copy_floats(next, observation_size_, batch.next_observations.data() + b * observation_size_);
    copy_floats(next + observation_size_ * sizeof(float), action_size_, batch.actions.data() + b * action_size_);
  }
  batch.rewards = sampled_.rewards;
  batch.discounts = sampled_.discounts;
}

}  // namespace eaudeqn

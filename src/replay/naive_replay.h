// Test support: a replay that keeps everything for ever in the plainest form, as the reference for the real one. Not
// built into the library.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/random.h"
#include "replay/replay.h"

namespace eaudeqn {

class NaiveReplay {
 public:
  explicit NaiveReplay(const ReplaySpec& spec) : spec_(spec) {}

  void begin_episode(std::span<const std::byte> first_frame) {
    if (!episodes_.empty()) finish_episode();
    episodes_.emplace_back();
    episodes_.back().frames.emplace_back(first_frame.begin(), first_frame.end());
  }

  void add(int action, float reward, bool terminal, bool truncated, std::span<const std::byte> next_frame) {
    Episode& episode = episodes_.back();
    episode.actions.push_back(action);
    episode.rewards.push_back(reward);
    episode.frames.emplace_back(next_frame.begin(), next_frame.end());
    episode.terminal = terminal;
    if (terminal || truncated) {
      finish_episode();
    } else if (episode.actions.size() - episode.complete == spec_.n_step) {
      complete_.push_back({episodes_.size() - 1, episode.complete++});
    }
  }

  std::size_t size() const { return std::min(complete_.size(), spec_.capacity); }

  Batch sample(RandomStream& stream, std::size_t batch_size) const {
    Batch batch;
    for (std::size_t row = 0; row < batch_size; ++row) {
      const auto [e, step] = complete_[complete_.size() - size() + stream.below(size())];
      const Episode& episode = episodes_[e];
      const std::size_t end = std::min(step + spec_.n_step, episode.actions.size());
      double reward = 0;
      double discount = 1;
      for (std::size_t i = step; i < end; ++i) {
        reward += discount * static_cast<double>(episode.rewards[i]);
        discount *= spec_.gamma;
      }
      if (episode.terminal && end == episode.actions.size()) discount = 0;
      batch.actions.push_back(episode.actions[step]);
      batch.rewards.push_back(static_cast<float>(reward));
      batch.discounts.push_back(static_cast<float>(discount));
      append_observation(episode, step, batch.observations);
      append_observation(episode, end, batch.next_observations);
    }
    return batch;
  }

 private:
  struct Episode {
    std::vector<std::vector<std::byte>> frames;  // one more than actions
    std::vector<int> actions;
    std::vector<float> rewards;
    bool terminal = false;
    std::size_t complete = 0;  // transitions that are in complete_
  };
  struct Transition {
    std::size_t episode;
    std::size_t step;
  };

  void finish_episode() {
    Episode& episode = episodes_.back();
    while (episode.complete < episode.actions.size()) complete_.push_back({episodes_.size() - 1, episode.complete++});
  }

  void append_observation(const Episode& episode, std::size_t newest, std::vector<std::byte>& to) const {
    const std::vector<std::byte> zeros(spec_.frame_bytes);
    for (std::size_t age = spec_.stack; age-- > 0;) {
      const auto& frame = age <= newest ? episode.frames[newest - age] : zeros;
      to.insert(to.end(), frame.begin(), frame.end());
    }
  }

  ReplaySpec spec_;
  std::vector<Episode> episodes_;
  std::vector<Transition> complete_;  // in the order they were added
};

inline bool operator==(const Batch& a, const Batch& b) {
  return a.observations == b.observations && a.next_observations == b.next_observations && a.actions == b.actions &&
         a.rewards == b.rewards && a.discounts == b.discounts;
}

// Plays random episodes into replays: varied lengths, terminal, truncated and abandoned ends, episodes without a step.
class RandomPlay {
 public:
  RandomPlay(std::size_t frame_bytes, double mean_episode_length, std::uint64_t seed)
      : random_(seed, "random play"), end_probability_(1 / mean_episode_length), frame_(frame_bytes) {}

  // Makes one call, the same one on every replay given.
  template <typename... Replays>
  void step(Replays&... replays) {
    change_frame();
    if (!in_episode_ || random_.uniform() < end_probability_ / 4) {
      (replays.begin_episode(frame_), ...);
      in_episode_ = true;
      return;
    }
    const int action = static_cast<int>(random_.below(18));
    const auto reward = static_cast<float>(random_.uniform(-1, 1));
    const bool terminal = random_.uniform() < end_probability_;
    const bool truncated = random_.uniform() < end_probability_ / 2;
    (replays.add(action, reward, terminal, truncated, frame_), ...);
    in_episode_ = !terminal && !truncated;
  }

 private:
  // Some bytes only, as in games; never twice the same frame in practice.
  void change_frame() {
    for (std::size_t i = 0; i < 1 + frame_.size() / 16; ++i) {
      frame_[random_.below(frame_.size())] = static_cast<std::byte>(random_.below(256));
    }
  }

  RandomStream random_;
  double end_probability_;
  std::vector<std::byte> frame_;
  bool in_episode_ = false;
};

}  // namespace eaudeqn

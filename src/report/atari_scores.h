// What a human and a random player score in the 57 usual Atari games, and returns in their unit. No statistics.
#pragma once

#include <optional>
#include <string>

namespace eaudeqn {

struct AtariScores {
  std::string environment;  // "atari/Pong"
  double random = 0, human = 0;
};

// Source: the table of Wang et al. 2016 ("Dueling Network Architectures for Deep Reinforcement Learning", appendix, 30
// no-op starts) as the field passes it on. Video Pinball's random score is 0.0, as in the copy that rliable's studies
// use; other copies have 16,256.9.
std::optional<AtariScores> atari_scores(const std::string& environment);

// 0 is a random player, 1 a human; none for an environment that is not in the table.
std::optional<double> human_normalised_score(const std::string& environment, double episode_return);

}  // namespace eaudeqn

// Conservative Q-learning (Kumar et al. 2020): what its loss has beyond that of DQN (dqn.h). Pure.
#pragma once

#include <cstddef>
#include <span>

namespace eaudeqn {

// alpha (logsumexp_a Q(s, a) - Q(s, action)), at least 0: how much more the values promise than the action taken. Adds
// its derivative by each value, times `weight`, to `gradient`. `values`: Q(s, .), at least one.
double conservative_penalty(std::span<const float> values, std::size_t action, double alpha, double weight,
                            std::span<float> gradient);

}  // namespace eaudeqn

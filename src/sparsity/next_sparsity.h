// How much sparser a pruned copy becomes: the one rule that makes EauDeQN adaptive. Pure.
#pragma once

#include <cstdint>

namespace eaudeqn {

// min(1 - (1 - s) (1 - T / (H - t))^u, s + S_max), the base clamped to [0, 1]: the polynomial schedule with final
// sparsity 1 and a random exponent, restarted from the current sparsity, with a speed limit
// (Vincent et al. 2025, EauDeQN; reconstruction stated in docs/deviations.md). Never below s; at most 1.
// s in [0, 1]; t steps done, H = total steps, T = target update period, 0 <= t, T >= 1; u >= 0; max_speed >= 0.
double next_sparsity(double sparsity, std::int64_t step, std::int64_t total_steps, std::int64_t period, double exponent,
                     double max_speed);

}  // namespace eaudeqn

// The pruning rule of EauDeQN: see next_sparsity.h. Nothing else decides how fast an agent becomes sparse.
#include "sparsity/next_sparsity.h"

#include <algorithm>
#include <cmath>

namespace eaudeqn {

double next_sparsity(double sparsity, std::int64_t step, std::int64_t total_steps, std::int64_t period, double exponent,
                     double max_speed) {
  // With at most one period left, and past the end, the polynomial schedule has reached its final sparsity of 1.
  const std::int64_t remaining = total_steps - step;
  const double base = remaining <= period ? 0.0 : 1.0 - static_cast<double>(period) / static_cast<double>(remaining);
  // s + (1 - s) (1 - b^u) is 1 - (1 - s) b^u, written so that u = 0 returns s to the bit (0^0 is 1, also for a base of
  // 0).
  const double gain = (1.0 - sparsity) * (1.0 - std::pow(base, exponent));
  return std::min(sparsity + std::min(gain, max_speed), 1.0);
}

}  // namespace eaudeqn

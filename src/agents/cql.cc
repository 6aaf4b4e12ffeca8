// See cql.h.
#include "agents/cql.h"

#include <algorithm>
#include <cmath>

namespace eaudeqn {

double conservative_penalty(std::span<const float> values, std::size_t action, double alpha, double weight,
                            std::span<float> gradient) {
  // Subtracting the largest value first, no exponential overflows.
  const double largest = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const float value : values) sum += std::exp(static_cast<double>(value) - largest);
  for (std::size_t a = 0; a < values.size(); ++a) {
    const double share = std::exp(static_cast<double>(values[a]) - largest) / sum;
    gradient[a] += static_cast<float>(weight * alpha * (a == action ? share - 1.0 : share));
  }
  return alpha * (largest + std::log(sum) - static_cast<double>(values[action]));
}

}  // namespace eaudeqn

// See polynomial.h.
#include "sparsity/polynomial.h"

namespace eaudeqn {

double polynomial_sparsity(std::int64_t step, std::int64_t start, std::int64_t end, double final) {
  if (step <= start) return 0.0;
  if (step >= end) return final;
  const double left = static_cast<double>(end - step) / static_cast<double>(end - start);
  return final * (1.0 - left * left * left);
}

}  // namespace eaudeqn

// What tests of drawn numbers share.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace eaudeqn {

// Whether a sample follows the distribution with this cumulative function: the Kolmogorov-Smirnov test at the level
// that 99.9 % of the seeds pass.
inline bool follows(std::vector<double> sample, const std::function<double(double)>& cumulative) {
  std::sort(sample.begin(), sample.end());
  const auto count = static_cast<double>(sample.size());
  double distance = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double share = cumulative(sample[i]);
    const auto rank = static_cast<double>(i);
    distance = std::max({distance, std::abs(share - rank / count), std::abs(share - (rank + 1) / count)});
  }
  return distance < 1.95 / std::sqrt(count);
}

inline double uniform_cumulative(double value, double low, double high) {
  return std::clamp((value - low) / (high - low), 0.0, 1.0);
}

inline double normal_cumulative(double value, double deviation) {
  return 0.5 * std::erfc(-value / (deviation * std::sqrt(2.0)));
}

}  // namespace eaudeqn

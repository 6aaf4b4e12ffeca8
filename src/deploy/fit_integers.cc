// See fit_integers.h.
#include "deploy/fit_integers.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "deploy/quantize.h"

namespace eaudeqn {
namespace {

constexpr int kMostRounds = 20;
constexpr double kNearness = 1e-3;  // the weight on staying near, beside the mean energy of an input
constexpr float kFarthest = 4.0F;   // steps from the original, to the outside of it

// In sixteen partial sums, so that the compiler may use vectors.
template <typename Term>
double sum_of(std::size_t count, const Term& term) {
  constexpr std::size_t kParts = 16;
  std::array<float, kParts> parts{};
  std::size_t s = 0;
  for (; s + kParts <= count; s += kParts) {
    for (std::size_t p = 0; p < kParts; ++p) parts[p] += term(s + p);
  }
  double sum = 0;
  for (; s < count; ++s) sum += term(s);
  for (const float part : parts) sum += part;
  return sum;
}

struct Moments {
  float mean = 0;
  double energy = 0;  // sum of squared distances from the mean
};

Moments moments_of(std::span<const float> inputs, const std::vector<float>& mask, double active) {
  const double sum = sum_of(inputs.size(), [&](std::size_t s) { return inputs[s] * mask[s]; });
  const auto mean = static_cast<float>(sum / active);
  const double energy = sum_of(inputs.size(), [&](std::size_t s) {
    const float distance = inputs[s] - mean;
    return distance * distance * mask[s];
  });
  return {mean, energy};
}

// The whole number of steps that is best for one weight while all others stay, near to the original.
float best_steps(double wanted, float original, float scale) {
  const float exact = original / scale;
  const float low = std::max(std::ceil(exact - kFarthest), -kLargestInteger);
  const float high = std::min(std::floor(exact + kFarthest), kLargestInteger);
  return std::clamp(static_cast<float>(std::nearbyint(wanted / scale)), low, high);
}

}  // namespace

void fit_integers(RowFit& row) {
  const std::size_t count = row.samples->count;
  const double active = sum_of(count, [&](std::size_t s) { return row.mask[s]; });
  if (active == 0) return;
  std::vector<Moments> moments;
  double nearness = 0;
  for (const std::uint32_t column : row.columns) {
    moments.push_back(moments_of(row.samples->inputs(column), row.mask, active));
    nearness += kNearness * moments.back().energy / static_cast<double>(row.columns.size());
  }
  const auto off =
      static_cast<float>(sum_of(count, [&](std::size_t s) { return row.error[s] * row.mask[s]; }) / active);
  if (!std::isfinite(off) || !std::isfinite(nearness)) return;  // sums or squares are beyond floats: rounding stays
  for (std::size_t s = 0; s < count; ++s) row.error[s] = (row.error[s] - off) * row.mask[s];
  double bias = static_cast<double>(*row.bias) + off;
  bool changed = std::any_of(row.original.begin(), row.original.end(), [](float weight) { return weight != 0; });
  for (int round = 0; changed && round < kMostRounds; ++round) {
    changed = false;
    for (std::size_t i = 0; i < row.columns.size(); ++i) {
      const auto inputs = row.samples->inputs(row.columns[i]);
      const auto& [mean, energy] = moments[i];
      if (!(energy + nearness > 0)) continue;
      // Around the mean, or what is left of the error's own mean would pull at inputs far from 0.
      const double pull = sum_of(count, [&, m = mean](std::size_t s) { return (inputs[s] - m) * row.error[s]; });
      const double wanted = (energy * row.values[i] + pull + nearness * row.original[i]) / (energy + nearness);
      const float value = best_steps(wanted, row.original[i], row.scale) * row.scale + 0.0F;
      const float change = value - row.values[i];
      if (change == 0) continue;
      for (std::size_t s = 0; s < count; ++s) row.error[s] -= change * (inputs[s] - mean) * row.mask[s];
      row.values[i] = value;
      bias -= static_cast<double>(change) * mean;
      changed = true;
    }
  }
  *row.bias = static_cast<float>(bias);
}

}  // namespace eaudeqn

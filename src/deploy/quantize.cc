// See quantize.h.
#include "deploy/quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr float kSmallestScale = std::numeric_limits<float>::min();  // below it, products lose bits

// To the nearest whole number, of two the even one, for |value| below 2^22.
float rounded(float value) {
  constexpr float kShift = 0x1.8p23F;
  return (value + kShift) - kShift;
}

double squared_error(std::span<const float> values, float scale) {
  double error = 0;
  for (const float value : values) {
    const double difference = static_cast<double>(value) - rounded(value / scale) * scale;
    error += difference * difference;
  }
  return error;
}

// The scale at which these weights are off least, of those that give the largest one from 96 to 127 steps: which of
// them it is depends on how the weights happen to lie, and the fewer there are, the more is gained.
float scale_of(std::span<const float> values) {
  constexpr float kFewestSteps = 96.0F, kBetween = 0.5F;
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  if (largest == 0.0F) return 1.0F;
  float best = std::max(largest / kLargestInteger, kSmallestScale);
  double least = squared_error(values, best);
  for (float steps = kLargestInteger - kBetween; steps >= kFewestSteps; steps -= kBetween) {
    const float scale = std::max(largest / steps, kSmallestScale);
    if (!std::isfinite(scale * kLargestInteger)) break;  // integers_of asks for it
    const double error = squared_error(values, scale);
    if (error < least) least = error, best = scale;
  }
  return best;
}

// Calls visit(row, index) for every stored weight.
template <typename Visit>
void for_each_weight(const PolicyLayer& layer, const Visit& visit) {
  for (std::size_t row = 0; row + 1 < layer.row_starts.size(); ++row) {
    for (std::size_t i = layer.row_starts[row]; i < layer.row_starts[row + 1]; ++i) visit(row, i);
  }
}

}  // namespace

Policy quantize(Policy policy) {
  for (std::size_t l = 0; l + 1 < policy.layers.size(); ++l) {
    PolicyLayer& layer = policy.layers[l];
    if (!layer.scales.empty()) continue;
    for (std::size_t row = 0; row + 1 < layer.row_starts.size(); ++row) {
      layer.scales.push_back(scale_of(
          std::span(layer.values).subspan(layer.row_starts[row], layer.row_starts[row + 1] - layer.row_starts[row])));
    }
    for_each_weight(layer, [&](std::size_t row, std::size_t i) {
      const float scale = layer.scales[row];
      // Adding 0 makes +0 of -0, for which 8 bits have no place.
      layer.values[i] = std::clamp(rounded(layer.values[i] / scale), -kLargestInteger, kLargestInteger) * scale + 0.0F;
    });
  }
  policy.metadata.erase("format_version");
  return policy;
}

std::vector<std::int8_t> integers_of(const PolicyLayer& layer) {
  const auto refuse = [](const char* what) { throw Error::failure(what); };
  if (layer.scales.size() + 1 != layer.row_starts.size()) refuse("it has not one scale per output");
  for (const float scale : layer.scales) {
    // The largest product must be finite too.
    if (!(scale >= kSmallestScale && std::isfinite(scale * kLargestInteger)))
      refuse("a scale is not a positive number");
  }
  std::vector<std::int8_t> integers(layer.values.size());
  for_each_weight(layer, [&](std::size_t row, std::size_t i) {
    const float scale = layer.scales[row];
    const float integer = std::nearbyint(layer.values[i] / scale);
    if (!(std::abs(integer) <= kLargestInteger) || integer * scale != layer.values[i]) {
      refuse("a weight is not a whole number from -127 to 127 times the scale of its output");
    }
    integers[i] = static_cast<std::int8_t>(integer);
  });
  return integers;
}

std::vector<float> dequantize(const PolicyLayer& layer, const std::vector<std::int8_t>& integers) {
  std::vector<float> values(integers.size());
  for_each_weight(layer, [&](std::size_t row, std::size_t i) { values[i] = integers[i] * layer.scales[row]; });
  return values;
}

}  // namespace eaudeqn

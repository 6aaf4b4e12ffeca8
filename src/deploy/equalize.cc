// See equalize.h.
#include "deploy/equalize.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <utility>

#include "engine/network_spec.h"

namespace eaudeqn {
namespace {

// What rounding adds to the sums of a layer, squared and up to a factor, by the factors of its input's channels: the
// sum over its rows of (the largest weight)^2 x the variances of what its weights multiply.
class RoundingNoise {
 public:
  // [row][channel]: the largest weight, and the sum of the variances of what the weights multiply.
  RoundingNoise(std::size_t channels, std::vector<double> largest, std::vector<double> variance)
      : channels_(channels), largest_(std::move(largest)), variance_(std::move(variance)) {
    factors_.assign(channels, 1.0);
    for (std::size_t r = 0; r < largest_.size() / channels; ++r) {
      scale_.push_back(scale_of_row(r));
      const auto own = variance_.begin() + static_cast<std::ptrdiff_t>(r * channels);
      sum_.push_back(std::accumulate(own, own + static_cast<std::ptrdiff_t>(channels), 0.0));
    }
  }

  const std::vector<double>& factors() const { return factors_; }

  // What `total()` would be more with another factor of channel c.
  double difference(std::size_t c, double factor) const {
    double difference = 0;
    for (std::size_t r = 0; r < scale_.size(); ++r) {
      const double scale = scale_with(r, c, factor);
      difference += scale * scale * sum_with(r, c, factor) - scale_[r] * scale_[r] * sum_[r];
    }
    return difference;
  }
  double total() const {
    double total = 0;
    for (std::size_t r = 0; r < scale_.size(); ++r) total += scale_[r] * scale_[r] * sum_[r];
    return total;
  }
  void set(std::size_t c, double factor) {
    for (std::size_t r = 0; r < scale_.size(); ++r) {
      const double scale = scale_with(r, c, factor);
      sum_[r] = sum_with(r, c, factor);
      scale_[r] = scale;
    }
    factors_[c] = factor;
  }

 private:
  double scale_of_row(std::size_t r, std::size_t without = SIZE_MAX) const {
    double scale = 0;
    for (std::size_t c = 0; c < channels_; ++c) {
      if (c != without) scale = std::max(scale, largest_[r * channels_ + c] * factors_[c]);
    }
    return scale;
  }
  double scale_with(std::size_t r, std::size_t c, double factor) const {
    const double largest = largest_[r * channels_ + c];
    const bool decides = largest * factors_[c] >= scale_[r];
    return std::max(decides ? scale_of_row(r, c) : scale_[r], largest * factor);
  }
  double sum_with(std::size_t r, std::size_t c, double factor) const {
    const double variance = variance_[r * channels_ + c];
    return sum_[r] - variance / (factors_[c] * factors_[c]) + variance / (factor * factor);
  }

  std::size_t channels_;
  std::vector<double> largest_, variance_, factors_;
  std::vector<double> scale_, sum_;  // [row], with the factors as they are
};

// The layer whose outputs are all that `layer` reads, if there is one and nothing else reads them.
std::optional<std::size_t> writer_of(const NetworkSpec& spec, std::size_t layer) {
  const std::size_t tensor = spec.operation_of(layer).input;
  const Operation* writer = nullptr;
  std::size_t readers = 0;
  for (const Operation& operation : spec.operations) {
    const bool weighted = operation.kind == OperationKind::convolution || operation.kind == OperationKind::dense;
    if (operation.output == tensor && weighted && operation.residual < 0) writer = &operation;
    readers += operation.input == tensor ? 1U : 0U;
    readers += operation.residual == static_cast<int>(tensor) ? 1U : 0U;
  }
  if (writer == nullptr || readers != 1) return std::nullopt;
  return writer->layer;
}

double variance_of(std::span<const float> inputs) {
  double sum = 0, squares = 0;
  for (const float input : inputs) sum += input;
  const double mean = sum / static_cast<double>(inputs.size());
  for (const float input : inputs) squares += (input - mean) * (input - mean);
  return squares / static_cast<double>(inputs.size());
}

RoundingNoise noise_of(const PolicyLayer& layer, std::size_t channels, const LayerSamples& samples) {
  constexpr double kLeastShare = 0.01;  // of the mean variance: what never changed here may do so elsewhere
  const std::size_t rows = layer.bias.size(), row_size = layer.parameters() / rows;
  std::vector<double> variances(row_size);
  for (std::size_t i = 0; i < row_size; ++i) variances[i] = variance_of(samples.inputs(i));
  const double mean = std::accumulate(variances.begin(), variances.end(), 0.0) / static_cast<double>(row_size);
  std::vector<double> largest(rows * channels), variance(rows * channels);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = layer.row_starts[r]; i < layer.row_starts[r + 1]; ++i) {
      const std::size_t at = r * channels + layer.columns[i] / (row_size / channels);
      largest[at] = std::max(largest[at], std::abs(static_cast<double>(layer.values[i])));
      variance[at] += std::max(variances[layer.columns[i]], kLeastShare * mean);
    }
  }
  return {channels, std::move(largest), std::move(variance)};
}

std::vector<float> best_factors(RoundingNoise noise) {
  constexpr double kFirstStep = 1.6, kLastStep = 1.02, kGain = 1e-4, kFarthest = 20;
  for (double step = kFirstStep; step > kLastStep;) {
    const double before = noise.total();
    for (std::size_t c = 0; c < noise.factors().size(); ++c) {
      for (const double factor : {noise.factors()[c] * step, noise.factors()[c] / step}) {
        if (factor < 1 / kFarthest || factor > kFarthest) continue;
        if (noise.difference(c, factor) < 0) noise.set(c, factor);
      }
    }
    if (!(noise.total() < (1 - kGain) * before)) step = std::sqrt(step);
  }
  return {noise.factors().begin(), noise.factors().end()};
}

void divide_rows(PolicyLayer& layer, const std::vector<float>& factors) {
  for (std::size_t r = 0; r < factors.size(); ++r) {
    for (std::size_t i = layer.row_starts[r]; i < layer.row_starts[r + 1]; ++i) layer.values[i] /= factors[r];
    layer.bias[r] /= factors[r];
  }
}

void multiply_channels(PolicyLayer& layer, const std::vector<float>& factors) {
  const std::size_t in_each = layer.parameters() / layer.bias.size() / factors.size();
  for (std::size_t i = 0; i < layer.values.size(); ++i) layer.values[i] *= factors[layer.columns[i] / in_each];
}

}  // namespace

Policy equalize(Policy policy, const ObservedPolicy& observed, ThreadPool& pool) {
  const NetworkSpec spec = make_network_spec(architecture_from_json(policy.metadata.at("architecture")));
  // All from the policy as it came: every row counts in the units that it has there.
  struct Found {
    std::size_t reader, writer;
    std::vector<float> factors;
  };
  std::vector<Found> found;
  for (std::size_t l = 0; l + 1 < policy.layers.size(); ++l) {
    const std::optional<std::size_t> writer = writer_of(spec, l);
    if (!writer) continue;
    const LayerSamples samples = layer_samples(policy, l, observed, pool);
    found.push_back(
        {l, *writer, best_factors(noise_of(policy.layers[l], policy.layers[*writer].bias.size(), samples))});
  }
  for (const Found& pair : found) {
    multiply_channels(policy.layers[pair.reader], pair.factors);
    divide_rows(policy.layers[pair.writer], pair.factors);
  }
  return policy;
}

}  // namespace eaudeqn

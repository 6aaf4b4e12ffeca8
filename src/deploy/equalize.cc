// See equalize.h.
#include "deploy/equalize.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/network_spec.h"

namespace eaudeqn {
namespace {

// Of a layer, by row and by channel of its input.
struct Channels {
  std::size_t rows = 0, channels = 0;
  std::vector<double> largest, variance;  // of its weights there; sum of the variances of what they multiply

  // What rounding adds to all sums, squared, with channel c multiplied by exp(logarithms[c]); up to a factor.
  double noise(const std::vector<double>& logarithms) const {
    std::vector<double> factors(channels);
    std::transform(logarithms.begin(), logarithms.end(), factors.begin(), [](double x) { return std::exp(x); });
    double noise = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      double scale = 0, sum = 0;
      for (std::size_t c = 0; c < channels; ++c) {
        scale = std::max(scale, largest[r * channels + c] * factors[c]);
        sum += variance[r * channels + c] / (factors[c] * factors[c]);
      }
      noise += scale * scale * sum;
    }
    return noise;
  }
};

// The layer whose outputs are all that `layer` reads, if there is one and nothing else reads them.
std::optional<std::size_t> writer_of(const NetworkSpec& spec, std::size_t layer) {
  const auto weighted = [](const Operation& operation) {
    return operation.kind == OperationKind::convolution || operation.kind == OperationKind::dense;
  };
  const Operation* reader = nullptr;
  const Operation* writer = nullptr;
  for (const Operation& operation : spec.operations) {
    if (weighted(operation) && operation.layer == layer) reader = &operation;
  }
  std::size_t readers = 0;
  for (const Operation& operation : spec.operations) {
    if (operation.output == reader->input && weighted(operation) && operation.residual < 0) writer = &operation;
    readers += operation.input == reader->input ? 1U : 0U;
    readers += operation.residual == static_cast<int>(reader->input) ? 1U : 0U;
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

Channels channels_of(const PolicyLayer& layer, std::size_t channels, const LayerSamples& samples) {
  Channels result{layer.bias.size(), channels, {}, {}};
  result.largest.resize(result.rows * channels);
  result.variance.resize(result.rows * channels);
  const std::size_t row_size = layer.parameters() / layer.bias.size();
  std::vector<double> variances(row_size);
  for (std::size_t i = 0; i < row_size; ++i) variances[i] = variance_of(samples.inputs(i));
  for (std::size_t r = 0; r < result.rows; ++r) {
    for (std::size_t i = layer.row_starts[r]; i < layer.row_starts[r + 1]; ++i) {
      const std::size_t at = r * channels + layer.columns[i] / (row_size / channels);
      result.largest[at] = std::max(result.largest[at], std::abs(static_cast<double>(layer.values[i])));
      result.variance[at] += variances[layer.columns[i]];
    }
  }
  return result;
}

std::vector<float> best_factors(const Channels& channels) {
  constexpr double kFirstStep = 0.5, kLastStep = 0.02, kGain = 1e-6, kFarthest = 3;
  std::vector<double> logarithms(channels.channels, 0.0);
  double least = channels.noise(logarithms);
  for (double step = kFirstStep; step > kLastStep;) {
    bool better = false;
    for (double& logarithm : logarithms) {
      for (const double change : {step, -step}) {
        if (std::abs(logarithm + change) > kFarthest) continue;
        logarithm += change;
        const double noise = channels.noise(logarithms);
        if (noise < least * (1 - kGain)) {
          least = noise, better = true;
        } else {
          logarithm -= change;
        }
      }
    }
    if (!better) step /= 2;
  }
  std::vector<float> factors(channels.channels);
  std::transform(logarithms.begin(), logarithms.end(), factors.begin(),
                 [](double logarithm) { return static_cast<float>(std::exp(logarithm)); });
  return factors;
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
  // From the policy as it came: factors of one layer change neither the variances nor the noise of another.
  std::vector<std::pair<std::size_t, std::vector<float>>> found;
  for (std::size_t l = 0; l + 1 < policy.layers.size(); ++l) {
    const std::optional<std::size_t> writer = writer_of(spec, l);
    if (!writer) continue;
    const LayerSamples samples = layer_samples(policy, l, observed, pool);
    found.emplace_back(l, best_factors(channels_of(policy.layers[l], policy.layers[*writer].bias.size(), samples)));
  }
  for (const auto& [l, factors] : found) {
    multiply_channels(policy.layers[l], factors);
    divide_rows(policy.layers[*writer_of(spec, l)], factors);
  }
  return policy;
}

}  // namespace eaudeqn

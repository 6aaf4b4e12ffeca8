// What the weights of a policy's layers multiply on real observations: a sample of it, for quantize_observed.h. Not the
// passes of training; nothing is learned here.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "deploy/policy.h"

namespace eaudeqn {

// Observations as a network reads them: planes of `count` samples. `origin` is what errors call the policy.
struct ObservedPolicy {
  std::string origin;
  std::span<const std::byte> observations;
  std::size_t count = 0;
};

// The inputs of one layer, column by column: column i of a row of weights multiplies inputs(i)[s] in sample s.
struct LayerSamples {
  std::size_t count = 0;
  std::vector<float> values;  // [row size][count]

  std::span<const float> inputs(std::size_t column) const { return std::span(values).subspan(column * count, count); }
};

// Of a dense layer one sample for each of up to 16384 observations, evenly spaced; of a convolution 16 positions in
// each of up to 2048, the same ones in every call, with zeros outside of the borders. Equal for any number of threads.
// Throws what make_network throws.
LayerSamples layer_samples(const Policy& policy, std::size_t layer, const ObservedPolicy& observed, ThreadPool& pool);

// bias + sum of weights times inputs of one row of the layer, in every sample.
std::vector<float> row_sums(const PolicyLayer& layer, std::size_t row, const LayerSamples& samples);

}  // namespace eaudeqn

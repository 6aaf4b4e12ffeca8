// Samples of what weights multiply: that with them a row's sum is what the naive network has at one of its positions.
#include "deploy/layer_samples.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "deploy/test_observed.h"
#include "engine/kernels/reference.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kObservations = 37;  // no multiple of a batch

std::vector<double> floats_of(const Architecture& architecture, std::span<const std::byte> row) {
  std::vector<double> values;
  if (architecture.byte_input) {
    for (const std::byte byte : row) values.push_back(std::to_integer<int>(byte) / 255.0);
    return values;
  }
  for (std::size_t i = 0; i < row.size(); i += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, row.data() + i, sizeof(float));
    values.push_back(value);
  }
  return values;
}

// All tensors of one observation, naively.
std::vector<std::vector<double>> tensors_of(const Network& network, const std::vector<double>& input) {
  std::vector<std::vector<double>> weights, biases;
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    const LayerWeights all = network.layer_weights(l);
    weights.emplace_back(all.weights.begin(), all.weights.end());
    biases.emplace_back(all.bias.begin(), all.bias.end());
  }
  return reference::run(network.spec(), weights, biases, input);
}

// The sums of one layer before ReLU and residuals: [row][position].
std::vector<double> sums_of_layer(const Network& network, const Operation& operation,
                                  const std::vector<std::vector<double>>& tensors) {
  const NetworkSpec& spec = network.spec();
  const LayerWeights all = network.layer_weights(operation.layer);
  LayerSpec layer = spec.layers[operation.layer];
  TensorShape in = spec.tensors[operation.input];
  if (!layer.convolution) in = {layer.in, 1, 1};
  return reference::convolution<double>(layer, operation.stride, in, spec.tensors[operation.output],
                                        {all.weights.begin(), all.weights.end()}, {all.bias.begin(), all.bias.end()},
                                        tensors[operation.input]);
}

class LayerSamplesOf : public testing::TestWithParam<std::pair<std::string, bool>> {};

TEST_P(LayerSamplesOf, GiveTheSumsOfTheNaiveNetwork) {
  const Architecture architecture = small_architecture(GetParam().first, GetParam().second);
  const Policy policy = sparse_policy(architecture);
  const auto observations = random_observations(architecture, kObservations, 2);
  const std::size_t row_bytes = observations.size() / kObservations;
  Network network = make_network(policy, "test");
  ThreadPool pool(2);
  for (const Operation& operation : network.spec().operations) {
    if (operation.kind != OperationKind::convolution && operation.kind != OperationKind::dense) continue;
    const PolicyLayer& layer = policy.layers[operation.layer];
    const LayerSamples samples = layer_samples(policy, operation.layer, {"test", observations, kObservations}, pool);
    const std::size_t positions = network.spec().positions(operation.layer);
    const std::size_t in_each = std::min<std::size_t>(positions, 16);
    ASSERT_EQ(samples.count, kObservations * in_each);
    std::vector<std::vector<float>> sums;
    for (std::size_t row = 0; row < layer.bias.size(); ++row) sums.push_back(row_sums(layer, row, samples));
    std::vector<double> wanted;
    std::set<std::size_t> seen;
    for (std::size_t s = 0; s < samples.count; ++s) {
      if (s % in_each == 0) {
        const auto input = std::span(observations).subspan(s / in_each * row_bytes, row_bytes);
        wanted = sums_of_layer(network, operation, tensors_of(network, floats_of(architecture, input)));
      }
      double nearest = 1e9;  // over positions: how far the sums of all rows are off together
      std::size_t position = 0;
      for (std::size_t p = 0; p < positions; ++p) {
        if (in_each == positions && p != s % in_each) continue;  // all of them are taken, in order
        double off = 0;
        for (std::size_t row = 0; row < sums.size(); ++row) {
          off = std::max(off, std::abs(wanted[row * positions + p] - static_cast<double>(sums[row][s])));
        }
        if (off < nearest) nearest = off, position = p;
      }
      ASSERT_LT(nearest, 1e-5) << layer.name << ", sample " << s;
      seen.insert(position);
    }
    EXPECT_GT(2 * seen.size(), positions) << layer.name << ": samples come from all over the image";
  }
}

TEST_P(LayerSamplesOf, AreTheSameForAnyNumberOfThreads) {
  const Architecture architecture = small_architecture(GetParam().first, GetParam().second);
  const Policy policy = sparse_policy(architecture);
  const auto observations = random_observations(architecture, kObservations, 2);
  ThreadPool one(1), three(3);
  for (std::size_t l = 0; l < policy.layers.size(); ++l) {
    EXPECT_EQ(layer_samples(policy, l, {"test", observations, kObservations}, one).values,
              layer_samples(policy, l, {"test", observations, kObservations}, three).values);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, LayerSamplesOf,
                         testing::Values(std::pair("nature", true), std::pair("nature", false),
                                         std::pair("impala", false), std::pair("mlp", false), std::pair("mlp", true)),
                         [](const testing::TestParamInfo<std::pair<std::string, bool>>& parameter) {
                           return parameter.param.first + (parameter.param.second ? "_bytes" : "_floats");
                         });

TEST(LayerSamples, OfManyObservationsAreSpreadOverAllOfThem) {
  const Architecture architecture = small_architecture("mlp", false);
  constexpr std::size_t kMany = 40'000;
  const auto observations = random_observations(architecture, kMany, 3);
  ThreadPool pool(1);
  const LayerSamples samples = layer_samples(sparse_policy(architecture), 0, {"test", observations, kMany}, pool);
  ASSERT_EQ(samples.count, 16'384U);
  const std::size_t width = architecture.input[0];
  for (const std::size_t s : {std::size_t{0}, std::size_t{5'000}, samples.count - 1}) {
    float value = 0;
    std::memcpy(&value, observations.data() + s * kMany / samples.count * width * sizeof(float), sizeof(float));
    EXPECT_EQ(samples.inputs(0)[s], value);
  }
}

}  // namespace
}  // namespace eaudeqn

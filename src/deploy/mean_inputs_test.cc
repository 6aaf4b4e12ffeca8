// Means of what weights multiply: by what they are for. Shifting a layer's weights and taking the shift from its biases
// leaves the mean of every sum as it was, borders and strides included.
#include "deploy/mean_inputs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "deploy/policy_network.h"
#include "deploy/quantize.h"
#include "engine/passes.h"
#include "engine/test_network.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kSamples = 37;  // no multiple of a batch

Policy policy_of(const Architecture& architecture) {
  Network network(std::make_shared<NetworkPlan>(make_network_spec(architecture)), false);
  RandomStream stream(1, "mean_inputs_test");
  network.initialize(stream);
  return make_policy(network, {});
}

std::vector<std::byte> observations_of(const Architecture& architecture) {
  RandomStream stream(2, "mean_inputs_test observations");
  std::vector<std::byte> bytes;
  std::size_t elements = kSamples;
  for (const std::size_t size : architecture.input) elements *= size;
  for (std::size_t i = 0; i < elements; ++i) {
    if (architecture.byte_input) {
      bytes.push_back(static_cast<std::byte>(stream.below(256)));
      continue;
    }
    const auto value = static_cast<float>(stream.uniform(-1, 2));
    const auto own = std::as_bytes(std::span(&value, 1));
    bytes.insert(bytes.end(), own.begin(), own.end());
  }
  return bytes;
}

std::vector<double> mean_outputs(const Policy& policy, const std::vector<std::byte>& observations) {
  Network network = make_network(policy, "test");
  const auto plan = std::make_shared<NetworkPlan>(network.plan());
  ThreadPool pool(1);
  InputTensor input(plan, kSamples);
  input.load(observations, kSamples, pool);
  Workspace workspace(plan, kSamples, false);
  workspace.set_input(input);
  const Pass pass{&network, &workspace};
  forward(std::span(&pass, 1), pool);
  std::vector<double> means(plan->spec.architecture.outputs, 0.0);
  for (std::size_t a = 0; a < means.size(); ++a) {
    for (std::size_t b = 0; b < kSamples; ++b) means[a] += workspace.output(b, a) / static_cast<double>(kSamples);
  }
  return means;
}

Architecture architecture_of(const std::string& kind, bool bytes) {
  Architecture architecture = small_network(kind);
  architecture.byte_input = bytes;
  return architecture;
}

// Where every unit is above 0 a network is linear but for pooling, and what changes in one layer arrives in the
// outputs.
class MeanInputs : public testing::TestWithParam<std::pair<std::string, bool>> {};

TEST_P(MeanInputs, AreWhatTheBiasesMustTakeBackWhenWeightsChange) {
  const Architecture architecture = architecture_of(GetParam().first, GetParam().second);
  Policy policy = policy_of(architecture);
  for (PolicyLayer& layer : policy.layers) {
    for (float& weight : layer.values) weight = std::abs(weight);
    for (float& bias : layer.bias) bias = 3.0F;
  }
  const auto observations = observations_of(architecture);
  const auto means = mean_inputs(policy, "test", observations, kSamples, 2);
  const auto expected = mean_outputs(policy, observations);
  ASSERT_EQ(means.size(), policy.layers.size());
  for (std::size_t l = 0; l < policy.layers.size(); ++l) {
    Policy changed = policy, corrected = policy;
    PolicyLayer& layer = changed.layers[l];
    ASSERT_EQ(means[l].size() * layer.shape[0], layer.parameters());
    RandomStream stream(3, "mean_inputs_test changes", l);
    for (std::size_t row = 0; row < layer.shape[0]; ++row) {
      double shift = 0;
      for (std::size_t i = layer.row_starts[row]; i < layer.row_starts[row + 1]; ++i) {
        const auto change = static_cast<float>(stream.uniform(0, 0.1)) * layer.values[i];
        layer.values[i] += change;
        shift += static_cast<double>(change) * means[l][layer.columns[i]];
      }
      corrected.layers[l].bias[row] -= static_cast<float>(shift);
    }
    corrected.layers[l].values = layer.values;
    // Exact for what is linear: a convolution's positions are pooled, or meet other weights after it.
    const bool exact = l + 1 == policy.layers.size() || GetParam().first == "mlp";
    const auto wrong = mean_outputs(changed, observations), got = mean_outputs(corrected, observations);
    for (std::size_t a = 0; a < expected.size(); ++a) {
      const double harm = std::abs(wrong[a] - expected[a]);
      EXPECT_GT(harm, 1e-3 * expected[a]) << "layer " << l;
      EXPECT_LT(std::abs(got[a] - expected[a]), exact ? 1e-5 * expected[a] : 0.5 * harm) << "layer " << l;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, MeanInputs,
                         testing::Values(std::pair("nature", true), std::pair("nature", false),
                                         std::pair("impala", false), std::pair("mlp", false)),
                         [](const testing::TestParamInfo<std::pair<std::string, bool>>& parameter) {
                           return parameter.param.first + (parameter.param.second ? "_bytes" : "_floats");
                         });

TEST(MeanInputs, OfNoObservationsThereAreNone) {
  EXPECT_TRUE(mean_inputs(policy_of(architecture_of("mlp", false)), "test", {}, 0, 1).empty());
}

// What quantize does with them: the outputs' mean is nearer to what it was.
TEST(MeanInputs, KeepTheMeanOutputsOfAQuantizedPolicy) {
  const Architecture architecture = architecture_of("mlp", false);
  const Policy policy = policy_of(architecture);
  const auto observations = observations_of(architecture);
  const auto expected = mean_outputs(policy, observations);
  const auto error_of = [&](const Policy& quantized) {
    const auto got = mean_outputs(quantized, observations);
    double error = 0;
    for (std::size_t a = 0; a < got.size(); ++a) error += std::abs(got[a] - expected[a]);
    return error;
  };
  const Policy corrected = quantize(policy, mean_inputs(policy, "test", observations, kSamples, 1));
  EXPECT_LT(error_of(corrected), 0.5 * error_of(quantize(policy)));
  EXPECT_EQ(corrected.layers[0].values, quantize(policy).layers[0].values);
  EXPECT_EQ(corrected.layers.back().bias, policy.layers.back().bias);
}

}  // namespace
}  // namespace eaudeqn

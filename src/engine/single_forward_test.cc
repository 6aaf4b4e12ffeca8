// One observation against the batch passes, bit for bit: every layer of the case table, whole networks, all densities,
// own copies and weights in place, every instruction set of this machine.
#include "engine/single_forward.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "eaudeqn/error.h"
#include "engine/kernels/byte_input.h"
#include "engine/kernels/cases.h"
#include "engine/kernels/matrix_vector.h"
#include "engine/passes.h"

namespace eaudeqn {
namespace {

void prune_randomly(Network& network, double density, RandomStream& stream) {
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights weights = network.layer_weights(l);
    for (std::size_t i = 0; i < weights.weights.size(); ++i) {
      weights.mask[i] = stream.uniform() < density || i == weights.weights.size() / 2;
      weights.weights[i] = weights.mask[i] != 0 ? static_cast<float>(stream.uniform(-1, 1)) : 0.0F;
    }
    for (float& bias : weights.bias) bias = static_cast<float>(stream.uniform(-0.5, 0.5));
    network.set_layer(l, weights);
  }
}

std::vector<std::byte> random_observation(const NetworkSpec& spec, RandomStream& stream) {
  std::vector<std::byte> observation;
  for (std::size_t i = 0; i < spec.tensors[0].elements(); ++i) {
    if (spec.architecture.byte_input) {
      observation.push_back(static_cast<std::byte>(stream.below(256)));
      continue;
    }
    const auto value = static_cast<float>(stream.uniform(-1, 1));
    const auto bytes = std::as_bytes(std::span(&value, 1));
    observation.insert(observation.end(), bytes.begin(), bytes.end());
  }
  return observation;
}

// The last tensor of the batch passes, sample 0, in the order channel, row, column.
std::vector<float> batch_outputs(const std::shared_ptr<const NetworkPlan>& plan, Network& network,
                                 std::span<const std::byte> observation) {
  ThreadPool pool(1);
  InputTensor input(plan, 1);
  input.load(observation, 1, pool);
  Workspace workspace(plan, 1, false);
  workspace.set_input(input);
  const Pass pass{&network, &workspace};
  forward(std::span(&pass, 1), pool);
  const std::size_t last = plan->spec.tensors.size() - 1;
  const TensorLayout layout = workspace.activation_layout(last);
  std::vector<float> outputs;
  for (std::size_t c = 0; c < layout.channels; ++c) {
    for (std::size_t y = 0; y < layout.height; ++y) {
      for (std::size_t x = 0; x < layout.width; ++x) {
        outputs.push_back(workspace.activation(last)[layout.offset(c, y, x)]);
      }
    }
  }
  return outputs;
}

std::vector<float> to_vector(std::span<const float> values) { return {values.begin(), values.end()}; }

// Own copies and weights in place, twice each: nothing may be left over from the observation before.
void expect_equal_bits(const NetworkSpec& spec, double density, std::uint64_t seed, std::size_t batch = 32) {
  const auto plan = std::make_shared<const NetworkPlan>(spec, batch);
  const auto geometry = std::make_shared<const SingleGeometry>(plan);
  RandomStream stream(seed, "single_forward_test");
  Network network(plan, false);
  prune_randomly(network, density, stream);
  SingleForward single(geometry, false), wide(geometry, true);
  SingleWeights copies(geometry), in_place(geometry);
  copies.copy(network);
  in_place.refer_to(network);
  for (int i = 0; i < 2; ++i) {
    const auto observation = random_observation(spec, stream);
    const auto expected = batch_outputs(plan, network, observation);
    ASSERT_EQ(to_vector(single.forward(copies, observation)), expected) << "own copies, observation " << i;
    ASSERT_EQ(to_vector(single.forward(in_place, observation)), expected) << "weights in place, observation " << i;
    ASSERT_EQ(to_vector(wide.forward(copies, observation)), expected) << "wide loads, observation " << i;
  }
}

TEST(SingleDense, TheTableMeetsEveryForm) {
  std::vector<int> forms(6, 0);
  for (const LayerCase& c : layer_cases()) {
    const NetworkSpec spec = one_layer(c, false);
    if (spec.layers[0].convolution) continue;
    RandomStream stream(5, "single_forward_test");
    Network network(std::make_shared<const NetworkPlan>(spec, c.batch), false);
    prune_randomly(network, c.density, stream);
    SingleDense dense;
    dense.copy(spec.layers[0], network.layer_weights(0));
    ++forms[static_cast<std::size_t>(dense.form())];
    dense.refer_to(spec.layers[0], network.layers()[0]);
    ++forms[static_cast<std::size_t>(dense.form())];
  }
  for (std::size_t form = 0; form < forms.size(); ++form) {
    const bool possible = static_cast<SingleDense::Form>(form) != SingleDense::Form::windows || window_width() > 0;
    EXPECT_EQ(forms[form] > 0, possible) << "form " << form;
  }
}

class SingleLayers : public testing::TestWithParam<LayerCase> {};

TEST_P(SingleLayers, EqualTheBatchPassesBitForBit) {
  for (const bool behind_relu : {false, true}) {
    expect_equal_bits(one_layer(GetParam(), behind_relu), GetParam().density, GetParam().in * 31 + GetParam().out,
                      GetParam().batch);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, SingleLayers, testing::ValuesIn(layer_cases()),
                         [](const testing::TestParamInfo<LayerCase>& parameter) {
                           const LayerCase& c = parameter.param;
                           return std::to_string(parameter.index) + "_in" + std::to_string(c.in) + "x" +
                                  std::to_string(c.height) + "x" + std::to_string(c.width) + "_out" +
                                  std::to_string(c.out) + "_kernel" + std::to_string(c.kernel) + "_stride" +
                                  std::to_string(c.stride) + "_active" +
                                  std::to_string(static_cast<int>(c.density * 100)) + "percent";
                         });

Architecture small_network(const std::string& kind, const std::vector<std::size_t>& input, bool bytes) {
  Architecture architecture;
  architecture.kind = kind;
  architecture.features = 37;
  architecture.hidden = {70, 19};
  architecture.outputs = 5;
  architecture.input = input;
  architecture.byte_input = bytes;
  return architecture;
}

struct NetworkCase {
  std::string name, kind;
  std::vector<std::size_t> input;
  bool bytes;
};

class SingleNetworks : public testing::TestWithParam<NetworkCase> {};

TEST_P(SingleNetworks, EqualTheBatchPassesBitForBitAtEveryDensity) {
  const auto& [name, kind, input, bytes] = GetParam();
  for (const double density : {0.0, 0.01, 0.1, 0.3, 0.55, 0.7, 1.0}) {
    expect_equal_bits(make_network_spec(small_network(kind, input, bytes)), density, 3);
    if (HasFatalFailure()) FAIL() << "density " << density;
  }
}

TEST_P(SingleNetworks, EqualTheBatchPassesOnEveryInstructionSet) {
  const auto& [name, kind, input, bytes] = GetParam();
  std::int64_t rest = hwy::SupportedTargets();
  while (rest != 0) {
    const std::int64_t target = rest & -rest;
    rest &= ~target;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();  // chosen anew at the next call
    for (const double density : {0.05, 0.4, 1.0}) {
      expect_equal_bits(make_network_spec(small_network(kind, input, bytes)), density, 4);
    }
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().DeInit();  // chosen anew at the next call
    if (HasFatalFailure()) FAIL() << hwy::TargetName(target);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, SingleNetworks,
                         testing::Values(NetworkCase{"nature_bytes", "nature", {4, 84, 84}, true},
                                         NetworkCase{"nature_odd_bytes", "nature", {3, 37, 43}, true},
                                         NetworkCase{"nature_tiny", "nature", {1, 3, 2}, true},
                                         NetworkCase{"nature_one_pixel", "nature", {2, 1, 1}, false},
                                         NetworkCase{"nature_floats", "nature", {2, 29, 70}, false},
                                         NetworkCase{"impala_bytes", "impala", {2, 33, 21}, true},
                                         NetworkCase{"impala_floats", "impala", {1, 12, 9}, false},
                                         NetworkCase{"mlp", "mlp", {11}, false},
                                         NetworkCase{"mlp_of_an_image", "mlp", {3, 4, 5}, true}),
                         [](const testing::TestParamInfo<NetworkCase>& parameter) { return parameter.param.name; });

TEST(SingleForward, EveryByteIsScaled) {
  for (const std::size_t stride : {1, 2, 4}) {  // each has a loader of its own
    const NetworkSpec spec = one_layer({1, 16, 16, 1, 1, stride, 1, 1.0}, false, true);
    const auto plan = std::make_shared<const NetworkPlan>(spec);
    const auto geometry = std::make_shared<const SingleGeometry>(plan);
    Network network(plan, false);
    network.set_layer(0, {{1.0F}, {1}, {0.0F}});
    SingleWeights weights(geometry);
    weights.copy(network);
    SingleForward single(geometry);
    std::vector<std::byte> observation(256);
    std::vector<int> seen(256, 0);
    for (int shift = 0; shift < 256; ++shift) {
      for (int i = 0; i < 256; ++i) observation[static_cast<std::size_t>(i)] = static_cast<std::byte>(i + shift);
      const auto outputs = single.forward(weights, observation);
      std::size_t o = 0;
      for (std::size_t y = 0; y < 16; y += stride) {
        for (std::size_t x = 0; x < 16; x += stride, ++o) {
          const auto byte = static_cast<int>(observation[y * 16 + x]);
          ++seen[static_cast<std::size_t>(byte)];
          ASSERT_EQ(outputs[o], static_cast<float>(byte) * kByteScale) << "byte " << byte << ", stride " << stride;
        }
      }
    }
    for (const int count : seen) ASSERT_GT(count, 0);
  }
}

TEST(SingleForward, WeightsInPlaceFollowUpdatesAndNewMasks) {
  const auto plan = std::make_shared<const NetworkPlan>(make_network_spec(small_network("nature", {2, 20, 20}, true)));
  const auto geometry = std::make_shared<const SingleGeometry>(plan);
  RandomStream stream(5, "single_forward_test");
  std::vector<Network> networks;
  for (int k = 0; k < 2; ++k) networks.emplace_back(plan, true);
  for (Network& network : networks) prune_randomly(network, 0.3, stream);
  SingleForward single(geometry);
  SingleWeights in_place(geometry), copies(geometry);
  const auto observation = random_observation(plan->spec, stream);
  const auto expect_current = [&](Network& network, const char* when) {
    in_place.refer_to(network);
    copies.copy(network);
    const auto expected = batch_outputs(plan, network, observation);
    EXPECT_EQ(to_vector(single.forward(in_place, observation)), expected) << when;
    EXPECT_EQ(to_vector(single.forward(copies, observation)), expected) << when;
  };
  expect_current(networks[0], "first");
  for (Layer& layer : networks[0].layers()) {
    for (float& value : layer.weights.span()) value *= 1.25F;
    for (float& value : layer.bias.span()) value += 0.125F;
  }
  const auto updated = batch_outputs(plan, networks[0], observation);
  EXPECT_EQ(to_vector(single.forward(in_place, observation)), updated) << "weights changed after refer_to";
  prune_randomly(networks[0], 0.3, stream);
  expect_current(networks[0], "same density, other masks");
  expect_current(networks[1], "another network");
  prune_randomly(networks[1], 0.9, stream);
  expect_current(networks[1], "from sparse to dense");
  prune_randomly(networks[1], 0.1, stream);
  expect_current(networks[1], "and back");
}

TEST(SingleForward, NanDoesNotVanish) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const double density : {0.1, 0.4, 1.0}) {
    const auto plan =
        std::make_shared<const NetworkPlan>(make_network_spec(small_network("nature", {2, 20, 20}, false)));
    const auto geometry = std::make_shared<const SingleGeometry>(plan);
    RandomStream stream(5, "single_forward_test");
    Network network(plan, false);
    prune_randomly(network, density, stream);
    const auto observation = random_observation(plan->spec, stream);
    std::vector<float> spoiled(observation.size() / sizeof(float));
    std::memcpy(spoiled.data(), observation.data(), observation.size());
    std::fill(spoiled.begin(), spoiled.end(), nan);
    SingleForward single(geometry);
    SingleWeights copies(geometry), in_place(geometry);
    const auto expect_nan = [&](const Network& of, std::span<const std::byte> input, const char* what) {
      copies.copy(of);
      in_place.refer_to(of);
      const float last = batch_outputs(plan, network, input).back();
      ASSERT_TRUE(std::isnan(last)) << what;
      EXPECT_TRUE(std::isnan(single.forward(copies, input).back())) << what << ", density " << density;
      EXPECT_TRUE(std::isnan(single.forward(in_place, input).back())) << what << ", density " << density;
    };
    expect_nan(network, std::as_bytes(std::span(spoiled)), "NaN observation");
    for (std::size_t l = 0; l < network.layers().size(); ++l) {
      const LayerWeights sound = network.layer_weights(l);
      LayerWeights broken = sound;
      for (std::size_t i = 0; i < broken.weights.size(); ++i) {
        if (broken.mask[i] != 0) broken.weights[i] = nan;
      }
      network.set_layer(l, broken);
      expect_nan(network, observation, plan->spec.layers[l].name.c_str());
      network.set_layer(l, sound);
    }
  }
}

TEST(SingleForward, RefusesAnotherObservationSize) {
  const auto plan = std::make_shared<const NetworkPlan>(make_network_spec(small_network("mlp", {11}, false)));
  const auto geometry = std::make_shared<const SingleGeometry>(plan);
  Network network(plan, false);
  SingleWeights weights(geometry);
  weights.refer_to(network);
  SingleForward single(geometry);
  EXPECT_THROW(single.forward(weights, std::vector<std::byte>(11)), Error);
}

}  // namespace
}  // namespace eaudeqn

// A network without its dead units computes what the whole one computes, and holds nothing of them.
#include "engine/smaller_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "eaudeqn/error.h"
#include "engine/single_forward.h"
#include "engine/test_network.h"
#include "engine/unit_classes.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;
using testing::Pointwise;

MATCHER_P(IsWithin, tolerance, "") {
  return std::abs(std::get<0>(arg) - std::get<1>(arg)) <= tolerance * (1 + std::abs(std::get<1>(arg)));
}

Network random_network(const Architecture& architecture, RandomStream& stream) {
  Network network(std::make_shared<NetworkPlan>(make_network_spec(architecture)), false);
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights weights = network.layer_weights(l);
    for (float& weight : weights.weights) weight = static_cast<float>(stream.uniform(-0.5, 0.5));
    for (float& bias : weights.bias) bias = static_cast<float>(stream.uniform(-0.5, 0.5));
    network.set_layer(l, weights);
  }
  return network;
}

// No consumer reads unit `u` any more; its own weights and bias stay.
void hide_unit(Network& network, const UnitClass& units, std::size_t u) {
  for (const std::size_t l : units.consumers) {
    LayerWeights weights = network.layer_weights(l);
    const std::size_t row_size = network.spec().layers[l].row_size();
    const std::size_t width = row_size / units.units;
    for (std::size_t i = 0; i < weights.weights.size(); ++i) {
      if (i % row_size / width != u) continue;
      weights.mask[i] = 0;
      weights.weights[i] = 0;
    }
    network.set_layer(l, weights);
  }
}

std::vector<float> outputs_of(const Network& network, const std::vector<float>& observation) {
  const auto geometry = std::make_shared<const SingleGeometry>(std::make_shared<const NetworkPlan>(network.spec()));
  SingleWeights weights(geometry);
  weights.copy(network);
  SingleForward forward(geometry);
  const auto outputs = forward.forward(weights, std::as_bytes(std::span(observation)));
  return {outputs.begin(), outputs.end()};
}

void expect_equal_outputs(const Network& one, const Network& other, RandomStream& stream) {
  std::vector<float> observation(one.spec().tensors[0].elements());
  for (int repeat = 0; repeat < 5; ++repeat) {
    for (float& value : observation) value = static_cast<float>(stream.uniform(-1, 1));
    EXPECT_THAT(outputs_of(one, observation), Pointwise(IsWithin(1e-5F), outputs_of(other, observation)));
  }
}

class SmallerNetwork : public testing::TestWithParam<std::string> {};

TEST_P(SmallerNetwork, ComputesTheSameWithoutTheUnitsThatNothingReads) {
  RandomStream stream(1, "test");
  Network network = random_network(small_network(GetParam()), stream);
  std::vector<std::size_t> left;
  for (const UnitClass& units : unit_classes(network.spec())) {
    left.push_back(units.units);
    for (std::size_t u = 1; u < units.units; ++u) {
      if (stream.uniform() > 0.6) continue;
      hide_unit(network, units, u);
      --left.back();
    }
  }
  const Network smaller = without_dead_units(network);
  EXPECT_EQ(smaller.spec().architecture.units, left);
  EXPECT_EQ(smaller.sparsity(), 0.0) << "what is left is dense";
  expect_equal_outputs(smaller, network, stream);
  EXPECT_EQ(architecture_from_json(to_json(smaller.spec().architecture)), smaller.spec().architecture);
  EXPECT_EQ(without_dead_units(smaller).spec().architecture, smaller.spec().architecture);
}

TEST_P(SmallerNetwork, IsTheSameNetworkWhereAllUnitsAreRead) {
  RandomStream stream(2, "test");
  const Network network = random_network(small_network(GetParam()), stream);
  const Network smaller = without_dead_units(network);
  EXPECT_EQ(smaller.spec().architecture, network.spec().architecture);
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    EXPECT_EQ(smaller.layer_weights(l).weights, network.layer_weights(l).weights);
  }
}

// A class that is read by nobody: one unit stays, and the outputs are still those of the network.
TEST_P(SmallerNetwork, KeepsOneUnitOfAClassThatNothingReads) {
  RandomStream stream(3, "test");
  Network network = random_network(small_network(GetParam()), stream);
  const auto classes = unit_classes(network.spec());
  for (std::size_t u = 0; u < classes.back().units; ++u) hide_unit(network, classes.back(), u);
  const Network smaller = without_dead_units(network);
  EXPECT_EQ(smaller.spec().architecture.units.back(), 1U);
  expect_equal_outputs(smaller, network, stream);
}

INSTANTIATE_TEST_SUITE_P(Kinds, SmallerNetwork, testing::Values("nature", "impala", "mlp"),
                         [](const auto& kind) { return kind.param; });

// Unit 0 of the first layer is read by unit 1 of the second alone, which nothing reads: both go.
TEST(SmallerNetwork, LosesWhatOnlyRemovedUnitsRead) {
  RandomStream stream(4, "test");
  Network network = random_network(chain_network(), stream);
  network.set_layer(1, {{0, 1, 1, 1, 1, 1}, {0, 1, 1, 1, 1, 1}, {0, 0}});
  network.set_layer(2, {{1, 0}, {1, 0}, {0}});
  const Network smaller = without_dead_units(network);
  EXPECT_THAT(smaller.spec().architecture.units, ElementsAre(2, 1));
  expect_equal_outputs(smaller, network, stream);
}

TEST(SmallerNetwork, NeedsAsManyUnitsAsItHasClasses) {
  for (const char* kind : {"nature", "impala", "mlp"}) {
    Architecture wrong = small_network(kind);
    wrong.units = std::vector<std::size_t>(unit_classes(make_network_spec(wrong)).size(), 2);
    EXPECT_NO_THROW(make_network_spec(wrong));
    wrong.units.push_back(2);
    EXPECT_THROW(make_network_spec(wrong), Error);
    wrong.units.resize(wrong.units.size() - 2);
    EXPECT_THROW(make_network_spec(wrong), Error);
    wrong.units.assign(wrong.units.size() + 1, 0);
    EXPECT_THROW(make_network_spec(wrong), Error);
  }
}

}  // namespace
}  // namespace eaudeqn

// Units that no output depends on: passes leave them out, and nothing that they compute differs by it.
#include <gtest/gtest.h>

#include "eaudeqn/error.h"
#include "engine/passes.h"
#include "engine/single_forward.h"
#include "engine/test_network.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kOutputs = 3;

struct UnreadCase {
  std::string kind;
  double density;
  std::size_t batch;
};

// Weights that are left at random, most units of the last hidden layer are read by nobody.
Network sparse_network(const UnreadCase& of, bool compute_unread) {
  const auto plan = std::make_shared<NetworkPlan>(make_network_spec(small_network(of.kind)), of.batch);
  RandomStream stream(7, "unread_units_test");
  Network network(plan, true);
  network.compute_unread(compute_unread);
  network.initialize(stream);
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights layer = network.layer_weights(l);
    for (float& bias : layer.bias) bias = static_cast<float>(stream.uniform(-0.1, 0.2));
    for (std::size_t i = 0; i < layer.mask.size(); ++i) {
      if (stream.uniform() < of.density) continue;
      layer.mask[i] = 0;
      layer.weights[i] = 0;
    }
    network.set_layer(l, layer, LayerForm::compact);
  }
  return network;
}

struct Trained {
  std::vector<float> outputs, weights, moments;
};

// Three updates with output gradients and inputs drawn from the same stream.
Trained train(Network& network, std::size_t batch, int threads) {
  RandomStream stream(8, "unread_units_test");
  const auto plan = std::make_shared<NetworkPlan>(network.plan());
  ThreadPool pool(threads);
  InputTensor input(plan, batch);
  Workspace workspace(plan, batch, true);
  workspace.set_input(input);
  const Pass pass{&network, &workspace};
  std::vector<float> observations(batch * plan->spec.tensors[0].elements());
  Trained result;
  for (int update = 0; update < 3; ++update) {
    for (float& value : observations) value = static_cast<float>(stream.uniform(0, 1));
    input.load(std::as_bytes(std::span(observations)), batch, pool);
    forward(std::span(&pass, 1), pool);
    workspace.clear_output_gradient();
    for (std::size_t i = 0; i < batch * kOutputs; ++i) {
      result.outputs.push_back(workspace.output(i / kOutputs, i % kOutputs));
      workspace.set_output_gradient(i / kOutputs, i % kOutputs, static_cast<float>(stream.uniform(-1, 1)));
    }
    backward_and_adam(std::span(&pass, 1), 1e-2, 1e-4, pool);
  }
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    const LayerWeights layer = network.layer_weights(l);
    const Network::Moments moments = network.layer_moments(l);
    result.weights.insert(result.weights.end(), layer.weights.begin(), layer.weights.end());
    result.weights.insert(result.weights.end(), layer.bias.begin(), layer.bias.end());
    for (const auto* some : {&moments.first, &moments.second, &moments.bias_first, &moments.bias_second}) {
      result.moments.insert(result.moments.end(), some->begin(), some->end());
    }
  }
  return result;
}

std::size_t left_out(const Network& network) {
  std::size_t weights = 0;
  for (const Layer& layer : network.layers()) weights += layer.active - layer.walked;
  return weights;
}

class UnreadUnits : public testing::TestWithParam<UnreadCase> {};

TEST_P(UnreadUnits, AreLeftOutAndNothingDiffersByIt) {
  const UnreadCase& of = GetParam();
  Network whole = sparse_network(of, true);
  Network network = sparse_network(of, false);
  EXPECT_EQ(left_out(whole), 0U);
  ASSERT_GT(left_out(network), 0U) << "or this tests nothing";
  const Trained expected = train(whole, of.batch, 1);
  for (const int threads : {1, 3}) {
    Network again = sparse_network(of, false);
    const Trained trained = train(again, of.batch, threads);
    EXPECT_EQ(trained.outputs, expected.outputs);
    EXPECT_EQ(trained.weights, expected.weights);
    EXPECT_EQ(trained.moments, expected.moments);
  }
}

// Adam's moments move weights on for a while after their unit was read last; they must not be lost when it is read
// again.
TEST_P(UnreadUnits, KeepTheirWeightsAndMomentsUntilTheyAreReadAgain) {
  const UnreadCase& of = GetParam();
  Network network = sparse_network(of, false), whole = sparse_network(of, true);
  const std::size_t last = network.layers().size() - 1;
  train(network, of.batch, 1);
  train(whole, of.batch, 1);
  for (const double share : {0.0, 1.0}) {  // first nothing reads the last hidden layer but one unit, then all do
    RandomStream stream(9, "unread_units_test");
    for (Network* each : {&network, &whole}) {
      LayerWeights layer = each->layer_weights(last);
      for (std::size_t i = 0; i < layer.mask.size(); ++i) {
        layer.mask[i] = i == 0 || share == 1 ? 1 : 0;
        layer.weights[i] = layer.mask[i] != 0 ? 0.01F * static_cast<float>(i + 1) : 0.0F;
      }
      each->set_layer(last, layer);
    }
    const Trained expected = train(whole, of.batch, 1), trained = train(network, of.batch, 1);
    EXPECT_EQ(trained.outputs, expected.outputs);
    EXPECT_EQ(trained.weights, expected.weights);
    EXPECT_EQ(trained.moments, expected.moments);
  }
}

TEST_P(UnreadUnits, MustBeComputedForTheGradientsOfAllWeights) {
  const UnreadCase& of = GetParam();
  Network network = sparse_network(of, false);
  train(network, of.batch, 1);
  const auto plan = std::make_shared<NetworkPlan>(network.plan());
  Workspace workspace(plan, of.batch, true);
  ThreadPool pool(1);
  EXPECT_THROW(all_weight_gradients({&network, &workspace}, pool), Error);
}

// What acts on one observation knows no more of them than their biases either.
TEST_P(UnreadUnits, ActTheSameWhetherTheyAreComputedOrNot) {
  const UnreadCase& of = GetParam();
  RandomStream stream(10, "unread_units_test");
  const Network whole = sparse_network(of, true), network = sparse_network(of, false);
  const auto geometry = std::make_shared<const SingleGeometry>(std::make_shared<const NetworkPlan>(whole.spec()));
  SingleWeights all(geometry), read(geometry);
  all.copy(whole);
  read.copy(network);
  std::vector<float> observation(whole.spec().tensors[0].elements());
  for (float& value : observation) value = static_cast<float>(stream.uniform(-1, 1));
  SingleForward one(geometry), other(geometry);
  const auto expected = one.forward(all, std::as_bytes(std::span(observation)));
  const auto outputs = other.forward(read, std::as_bytes(std::span(observation)));
  ASSERT_EQ(outputs.size(), expected.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) EXPECT_NEAR(outputs[i], expected[i], 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Kinds, UnreadUnits,
                         testing::Values(UnreadCase{"nature", 0.15, 18}, UnreadCase{"impala", 0.1, 5},
                                         UnreadCase{"mlp", 0.2, 32}, UnreadCase{"mlp", 0.2, 100}),
                         [](const auto& of) { return of.param.kind + std::to_string(of.param.batch); });

// Unit 0 of the first layer is read by unit 1 of the second alone, which nothing reads.
TEST(UnreadUnits, AreAlsoThoseThatOnlyUnreadUnitsRead) {
  Network network(std::make_shared<NetworkPlan>(make_network_spec(chain_network())), false);
  network.set_layer(1, {{0, 1, 1, 1, 1, 1}, {0, 1, 1, 1, 1, 1}, {0, 0}});
  EXPECT_EQ(network.layers()[0].read_rows, (Mask{1, 1, 1}));
  network.set_layer(2, {{1, 0}, {1, 0}, {0}});
  EXPECT_EQ(network.layers()[1].read_rows, (Mask{1, 0}));
  EXPECT_EQ(network.layers()[0].read_rows, (Mask{0, 1, 1}));
  EXPECT_EQ(network.layers()[2].read_rows, Mask{1});
}

}  // namespace
}  // namespace eaudeqn

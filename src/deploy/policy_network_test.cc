// A network survives the way through a policy: weights, masks, outputs.
#include "deploy/policy_network.h"

#include <gtest/gtest.h>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

Network pruned_network() {
  Architecture architecture;
  architecture.kind = "mlp";
  architecture.hidden = {16, 8};
  architecture.input = {4};
  architecture.outputs = 2;
  Network network(std::make_shared<NetworkPlan>(make_network_spec(architecture)), true);
  RandomStream stream(1, "policy_network_test");
  network.initialize(stream);
  LayerWeights weights = network.layer_weights(1);
  for (std::size_t i = 0; i < weights.weights.size(); ++i) {
    if (i % 4 != 0) weights.weights[i] = 0, weights.mask[i] = 0;
  }
  network.set_layer(1, weights);
  return network;
}

TEST(PolicyNetwork, WeightsAndMasksSurviveTheRoundTrip) {
  const Network network = pruned_network();
  const Policy policy = make_policy(network, {{"environment", "classic/CartPole-v1"}});
  EXPECT_DOUBLE_EQ(policy.sparsity(), network.sparsity());
  const Network loaded = make_network(policy, "memory");
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    EXPECT_EQ(loaded.layer_weights(l).weights, network.layer_weights(l).weights);
    EXPECT_EQ(loaded.layer_weights(l).mask, network.layer_weights(l).mask);
    EXPECT_EQ(loaded.layer_weights(l).bias, network.layer_weights(l).bias);
  }
}

TEST(PolicyNetwork, LayersThatContradictTheArchitectureAreRefused) {
  Policy policy = make_policy(pruned_network(), {});
  policy.layers.pop_back();
  EXPECT_THROW(make_network(policy, "memory"), Error);
  policy = make_policy(pruned_network(), {});
  policy.metadata.erase("architecture");
  EXPECT_THROW(make_network(policy, "memory"), Error);
  policy = make_policy(pruned_network(), {});
  policy.layers[0].name = "conv1";
  EXPECT_THROW(make_network(policy, "memory"), Error);
}

}  // namespace
}  // namespace eaudeqn

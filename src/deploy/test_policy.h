// For tests only: policies of random weights.
#pragma once

#include <cstdint>
#include <string>

#include "deploy/policy_network.h"

namespace eaudeqn {

// As an Atari policy (nature, impala; `features` = F, 6 actions), or as one of a classic task (mlp: 4 inputs, two
// hidden layers of `features`, 2 actions). Weights as at the start of training, of which the share `sparsity` is
// inactive in every layer; biases random as well, so that none is forgotten unnoticed.
inline Policy random_policy(const std::string& kind, std::size_t features, double sparsity, std::uint64_t seed) {
  Architecture architecture;
  architecture.kind = kind;
  architecture.features = features;
  if (kind == "mlp") {
    architecture.hidden = {features, features};
    architecture.input = {4};
    architecture.outputs = 2;
  } else {
    architecture.input = {4, 84, 84};
    architecture.byte_input = true;
    architecture.outputs = 6;
  }
  Network network(std::make_shared<NetworkPlan>(make_network_spec(architecture)), false);
  RandomStream stream(seed, "test_policy");
  network.initialize(stream);
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights weights = network.layer_weights(l);
    for (std::size_t i = 0; i < weights.weights.size(); ++i) {
      if (stream.uniform() < sparsity) weights.weights[i] = 0, weights.mask[i] = 0;
    }
    for (float& bias : weights.bias) bias = static_cast<float>(0.2 * stream.uniform() - 0.1);
    network.set_layer(l, weights);
  }
  const std::string actions = kind == "mlp" ? R"(["left","right"])" : R"(["NOOP","FIRE","RIGHT","LEFT","UP","DOWN"])";
  return make_policy(network, {{"environment", kind == "mlp" ? "classic/CartPole-v1" : "atari/Pong"},
                               {"algorithm", "eaudedqn"},
                               {"step", "1"},
                               {"actions", actions},
                               {"config", "seed = 1\n"}});
}

}  // namespace eaudeqn

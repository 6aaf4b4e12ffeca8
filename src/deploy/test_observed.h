// For tests only: small policies of each kind and observations for them.
#pragma once

#include <vector>

#include "core/random.h"
#include "deploy/layer_samples.h"
#include "deploy/policy_network.h"
#include "deploy/test_outputs.h"
#include "engine/test_network.h"

namespace eaudeqn {

inline Architecture small_architecture(const std::string& kind, bool bytes) {
  Architecture architecture = small_network(kind);
  architecture.byte_input = bytes;
  return architecture;
}

// Of every second weight, with biases; three discrete actions.
inline Policy sparse_policy(const Architecture& architecture) {
  Network network(std::make_shared<NetworkPlan>(make_network_spec(architecture)), false);
  RandomStream stream(1, "test_observed policy");
  network.initialize(stream);
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights weights = network.layer_weights(l);
    for (std::size_t i = 0; i < weights.weights.size(); ++i) {
      if (stream.uniform() < 0.5) weights.weights[i] = 0, weights.mask[i] = 0;
    }
    for (float& bias : weights.bias) bias = static_cast<float>(stream.uniform(-0.1, 0.1));
    network.set_layer(l, weights);
  }
  return make_policy(network, {{"actions", R"(["a","b","c"])"}});
}

// Planes of `count` random samples, floats from -1 to 2.
inline std::vector<std::byte> random_observations(const Architecture& architecture, std::size_t count,
                                                  std::uint64_t seed) {
  RandomStream stream(seed, "test_observed observations");
  std::vector<std::byte> bytes;
  std::size_t elements = count;
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

// [sample][output]
inline std::vector<float> outputs_on(const Policy& policy, const std::vector<std::byte>& observations,
                                     std::size_t count) {
  Network network = make_network(policy, "test");
  return engine_outputs(network, observations, count);
}

}  // namespace eaudeqn

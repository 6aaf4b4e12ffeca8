// For tests only: small populations in any state, and comparisons of whole networks to the bit.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "core/files.h"
#include "core/random.h"
#include "core/test_directory.h"
#include "population/population.h"

namespace eaudeqn {

inline std::shared_ptr<const NetworkPlan> small_plan() {
  Architecture architecture;
  architecture.kind = "mlp";
  architecture.hidden = {64, 48};
  architecture.input = {5};
  architecture.outputs = 3;
  return std::make_shared<NetworkPlan>(make_network_spec(architecture));
}

inline Config small_config(std::int64_t networks) {
  Config config;
  config.seed = 11;
  config.population.networks = networks;
  config.training.steps = 100'000;
  config.training.target_update_period = 100;
  config.sparsity.max_noise = 3.0;
  config.sparsity.max_speed = 0.05;
  return config;
}

inline std::vector<LayerWeights> all_layers(const Network& network) {
  std::vector<LayerWeights> layers;
  for (std::size_t l = 0; l < network.layers().size(); ++l) layers.push_back(network.layer_weights(l));
  return layers;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline bool same_bits(const std::vector<LayerWeights>& a, const std::vector<LayerWeights>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const LayerWeights& x, const LayerWeights& y) {
    return same_bits(x.weights, y.weights) && x.mask == y.mask && same_bits(x.bias, y.bias);
  });
}

inline bool same_bits(const Network& a, const Network& b) { return same_bits(all_layers(a), all_layers(b)); }

// As after some training: other weights and biases, `density` of the weights active, moments and a step count.
inline void set_trained_state(Network& network, double density, RandomStream& stream) {
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights layer = network.layer_weights(l);
    for (std::size_t i = 0; i < layer.weights.size(); ++i) {
      layer.mask[i] = i == 0 || stream.uniform() < density ? 1 : 0;
      layer.weights[i] = layer.mask[i] != 0 ? static_cast<float>(stream.normal()) : 0.0F;
    }
    for (float& bias : layer.bias) bias = static_cast<float>(stream.normal());
    network.set_layer(l, layer);
    if (!network.trainable()) continue;
    Network::Moments moments = network.layer_moments(l);
    for (auto* values : {&moments.first, &moments.second, &moments.bias_first, &moments.bias_second}) {
      for (float& value : *values) value = static_cast<float>(stream.uniform(0.5, 1.0));
    }
    network.set_layer_moments(l, moments);
  }
  network.optimizer_steps = 17;
}

inline void add_losses(Population& population, const std::vector<double>& losses) {
  for (std::size_t k = 0; k < losses.size(); ++k) population.add_loss(k, losses[k]);
}

// Everything that a checkpoint holds, as bytes: equal states have equal futures.
inline std::vector<std::byte> state_of(const Population& population) {
  const TestDirectory directory;
  ArchiveWriter archive;
  population.save(archive, "population/");
  archive.write(directory / "state");
  return read_file(directory / "state");
}

}  // namespace eaudeqn

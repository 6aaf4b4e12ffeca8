// For tests only: small agents, the observations and batches they learn from.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

#include "agents/dqn.h"
#include "core/random.h"
#include "population/test_population.h"

namespace eaudeqn {

inline Config dqn_config(std::int64_t networks) {
  Config config;
  config.seed = 3;
  config.training.steps = 1'000;
  config.training.target_update_period = 10;
  config.training.batch_size = 32;
  config.training.learning_rate = 1e-3;
  config.training.adam_epsilon = 1e-4;
  config.population.networks = networks;
  config.sparsity.max_speed = 0.2;
  return config;
}

inline Architecture vectors() {
  Architecture architecture;
  architecture.kind = "mlp";
  architecture.hidden = {64, 48};
  architecture.input = {5};
  architecture.outputs = 3;
  return architecture;
}

inline Architecture images() {
  Architecture architecture;
  architecture.kind = "nature";
  architecture.features = 8;
  architecture.input = {2, 12, 12};
  architecture.byte_input = true;
  architecture.outputs = 3;
  return architecture;
}

inline std::vector<std::byte> random_observations(const Architecture& architecture, std::size_t count,
                                                  RandomStream& stream) {
  std::size_t elements = count;
  for (const std::size_t size : architecture.input) elements *= size;
  std::vector<std::byte> bytes(elements * (architecture.byte_input ? 1 : sizeof(float)));
  for (std::size_t i = 0; i < elements; ++i) {
    if (architecture.byte_input) {
      bytes[i] = static_cast<std::byte>(stream.below(256));
    } else {
      const auto value = static_cast<float>(stream.normal());
      std::memcpy(bytes.data() + i * sizeof(float), &value, sizeof(float));
    }
  }
  return bytes;
}

inline Batch random_batch(const Architecture& architecture, std::size_t size, RandomStream& stream) {
  Batch batch;
  batch.observations = random_observations(architecture, size, stream);
  batch.next_observations = random_observations(architecture, size, stream);
  for (std::size_t b = 0; b < size; ++b) {
    batch.actions.push_back(static_cast<std::int32_t>(stream.below(architecture.outputs)));
    batch.rewards.push_back(static_cast<float>(stream.uniform(-1, 1)));
    batch.discounts.push_back(stream.uniform() < 0.2 ? 0.0F : 0.99F);
  }
  return batch;
}

inline void prune_randomly(Network& network, double sparsity, RandomStream& stream) {
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights layer = network.layer_weights(l);
    for (std::size_t i = 1; i < layer.weights.size(); ++i) {
      if (stream.uniform() < sparsity) layer.mask[i] = 0, layer.weights[i] = 0;
    }
    network.set_layer(l, layer);
  }
}

}  // namespace eaudeqn

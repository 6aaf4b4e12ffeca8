// For tests only: small agents and the batches they learn from.
#pragma once

#include <vector>

#include "agents/sac.h"
#include "core/files.h"
#include "core/test_directory.h"

namespace eaudeqn {

constexpr std::size_t kObservationSize = 5, kActionSize = 2, kBatchSize = 24;

inline Config sac_config(std::int64_t networks) {
  Config config;
  config.environment = "mujoco/Hopper-v5";
  config.algorithm = "eaudesac";
  config.seed = 3;
  config.training.steps = 1'000;
  config.training.initial_samples = 10;
  config.training.gradient_period = 1;
  config.training.target_update_period = 10;
  config.training.batch_size = kBatchSize;
  config.training.learning_rate = 1e-3;
  config.training.adam_epsilon = 1e-8;
  config.network.kind = "mlp";
  config.network.hidden = {24, 16};
  config.population.networks = networks;
  config.sparsity.max_speed = 0.2;
  config.sparsity.max_noise = 100;
  return config;
}

inline std::vector<float> random_numbers(std::size_t count, RandomStream& stream) {
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(stream.uniform(-1, 1)));
  return values;
}

inline VectorBatch random_vectors(RandomStream& stream) {
  VectorBatch batch;
  batch.observations = random_numbers(kBatchSize * kObservationSize, stream);
  batch.next_observations = random_numbers(kBatchSize * kObservationSize, stream);
  batch.actions = random_numbers(kBatchSize * kActionSize, stream);
  batch.rewards = random_numbers(kBatchSize, stream);
  for (std::size_t b = 0; b < kBatchSize; ++b) batch.discounts.push_back(stream.uniform() < 0.2 ? 0.0F : 0.99F);
  return batch;
}

// Everything that a checkpoint holds, as bytes: equal states have equal futures.
inline std::vector<std::byte> state_of(const SacAgent& agent) {
  const TestDirectory directory;
  ArchiveWriter archive;
  agent.save(archive);
  archive.write(directory / "state");
  return read_file(directory / "state");
}

}  // namespace eaudeqn

// sac_probe DIRECTORY [--seed N]: does twenty updates of SAC on three masked twin critics, a masked actor and random
// batches with the program's own agent, and writes all that goes in and comes out as .npy files, for test_sac_jax.py to
// repeat. It judges nothing itself.
//
// Arrays: {initial,final}.{critic.K.T,target.T,actor}.LAYER.{weight,bias}, mask.*.LAYER, batch.U.*, noise.U.{next,now}
// (B, A), loss (U, K), selected (U), temperature (U + 1: before the first and after each), entropy (U).
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agents/sac.h"
#include "core/files.h"
#include "eaudeqn/error.h"
#include "probe_writer.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kCritics = 3, kTwins = 2, kUpdates = 20, kBatch = 24, kObservation = 7, kActions = 3;
constexpr double kExtraSparsities[kCritics] = {0.0, 0.4, 0.8};  // beyond what all critics and the target share

Config probe_config(std::int64_t seed) {
  Config config;
  config.algorithm = "eaudesac";
  config.environment = "mujoco/Hopper-v5";
  config.seed = seed;
  config.training.batch_size = kBatch;
  config.training.learning_rate = 1e-3;
  config.training.adam_epsilon = 1e-8;
  config.network.kind = "mlp";
  config.network.hidden = {24, 16};
  config.population.networks = kCritics;
  config.sac.tau = 0.02;
  config.sac.initial_temperature = 0.3;
  config.sac.actor_learning_rate = 2e-3;
  config.sac.temperature_learning_rate = 3e-3;
  config.sac.target_entropy_scale = 0.7;
  return config;
}

class Writer : public ProbeWriter {
 public:
  using ProbeWriter::ProbeWriter;

  void agent(const std::string& when, SacAgent& agent) const {
    for (std::size_t twin = 0; twin < kTwins; ++twin) {
      const std::string part = "." + std::to_string(twin);
      for (std::size_t k = 0; k < kCritics; ++k) {
        state(when, "critic." + std::to_string(k) + part, agent.critics().network(k, twin));
      }
      state(when, "target" + part, agent.critics().target(twin));
    }
    state(when, "actor", agent.actor());
  }

  void batch(std::size_t update, const VectorBatch& batch) const {
    const std::string prefix = "batch." + std::to_string(update) + ".";
    array(prefix + "observations", "f4", {kBatch, kObservation}, batch.observations);
    array(prefix + "next_observations", "f4", {kBatch, kObservation}, batch.next_observations);
    array(prefix + "actions", "f4", {kBatch, kActions}, batch.actions);
    array(prefix + "rewards", "f4", {kBatch}, batch.rewards);
    array(prefix + "discounts", "f4", {kBatch}, batch.discounts);
  }

  void config(const Config& config) const {
    nlohmann::ordered_json json;
    json["critics"] = kCritics;
    json["updates"] = kUpdates;
    json["batch"] = kBatch;
    json["actions"] = kActions;
    json["hidden"] = config.network.hidden;
    json["learning_rate"] = config.training.learning_rate;
    json["actor_learning_rate"] = config.sac.actor_learning_rate;
    json["temperature_learning_rate"] = config.sac.temperature_learning_rate;
    json["adam_epsilon"] = config.training.adam_epsilon;
    json["tau"] = config.sac.tau;
    json["target_entropy_scale"] = config.sac.target_entropy_scale;
    write_file_atomically(directory_ / "config.json", json.dump(1));
  }

 private:
  void state(const std::string& when, const std::string& name, const Network& of) const {
    network(when + "." + name, of);
    if (when == "initial") masks(name, of);
  }
};

// Biases are not zero, so that a forgotten one shows.
void mask_randomly(Network& network, double sparsity, RandomStream& stream) {
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights layer = network.layer_weights(l);
    for (std::size_t i = 0; i < layer.weights.size(); ++i) {
      if (i != layer.weights.size() / 2 && stream.uniform() < sparsity) layer.mask[i] = 0, layer.weights[i] = 0;
    }
    for (float& bias : layer.bias) bias = static_cast<float>(stream.uniform(-0.1, 0.1));
    network.set_layer(l, layer);
  }
}

std::vector<float> draw(std::size_t count, bool normal, RandomStream& stream) {
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(normal ? stream.normal() : stream.uniform(-1, 1)));
  }
  return values;
}

VectorBatch draw_batch(RandomStream& stream) {
  VectorBatch batch;
  batch.observations = draw(kBatch * kObservation, true, stream);
  batch.next_observations = draw(kBatch * kObservation, true, stream);
  batch.actions = draw(kBatch * kActions, false, stream);
  batch.rewards = draw(kBatch, false, stream);
  for (std::size_t b = 0; b < kBatch; ++b) batch.discounts.push_back(stream.uniform() < 0.2 ? 0.0F : 0.99F);
  return batch;
}

void probe(const std::filesystem::path& directory, std::int64_t seed_value) {
  const Config config = probe_config(seed_value);
  SacAgent agent(config, kObservation, kActions);
  const Writer writer(directory);
  writer.config(config);
  const auto seed = static_cast<std::uint64_t>(seed_value);
  RandomStream masks(seed, "probe masks"), batches(seed, "probe batches");
  // Compact for the target as well, of which the critics then have still less.
  for (std::size_t i = 0; i < kCritics * kTwins; ++i) {
    Network& network = agent.critics().network(i / kTwins, i % kTwins);
    copy_pruned(network, 0.3, Distribution::uniform, network);
  }
  agent.critics().follow_masks();
  for (std::size_t i = 0; i < kCritics * kTwins; ++i) {
    mask_randomly(agent.critics().network(i / kTwins, i % kTwins), kExtraSparsities[i / kTwins], masks);
  }
  mask_randomly(agent.actor(), 0.6, masks);
  writer.agent("initial", agent);
  ThreadPool pool(2);
  RandomStream noise(seed, "policy noise");  // the agent's own stream, drawn once more
  std::vector<double> losses, temperatures = {agent.temperature()}, entropies;
  std::vector<std::int32_t> selected;
  for (std::size_t update = 0; update < kUpdates; ++update) {
    const VectorBatch batch = draw_batch(batches);
    writer.batch(update, batch);
    const std::string prefix = "noise." + std::to_string(update);
    writer.array(prefix + ".next", "f4", {kBatch, kActions}, draw(kBatch * kActions, true, noise));
    writer.array(prefix + ".now", "f4", {kBatch, kActions}, draw(kBatch * kActions, true, noise));
    const auto of_update = agent.update(batch, static_cast<std::int64_t>(update), pool);
    losses.insert(losses.end(), of_update.begin(), of_update.end());
    temperatures.push_back(agent.temperature());
    entropies.push_back(agent.entropy());
    selected.push_back(static_cast<std::int32_t>(agent.critics().selected()));
  }
  writer.agent("final", agent);
  writer.array("loss", "f8", {kUpdates, kCritics}, losses);
  writer.array("selected", "i4", {kUpdates}, selected);
  writer.array("temperature", "f8", {kUpdates + 1}, temperatures);
  writer.array("entropy", "f8", {kUpdates}, entropies);
}

}  // namespace
}  // namespace eaudeqn

int main(int count, char** words) {
  try {
    const bool seeded = count == 4 && std::string_view(words[2]) == "--seed";
    if (count != 2 && !seeded) throw eaudeqn::Error::usage("sac_probe DIRECTORY [--seed N]");
    eaudeqn::probe(words[1], seeded ? std::atoll(words[3]) : 1);
    return 0;
  } catch (const eaudeqn::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.kind() == eaudeqn::Error::Kind::usage ? 2 : 1;
  }
}

// sac_probe DIRECTORY CASE [--seed N]: does twenty updates of SAC on random batches with the program's own agent, and
// writes all that goes in and comes out as .npy files, for test_sac_jax.py to repeat. It judges nothing itself. Cases:
//   masked        three twin critics and an actor under masks that stay
//   eaudesac      three dense twin critics that are pruned in the middle, three times, and an actor that follows
//   polyprunesac  one twin critic and an actor, pruned by the schedule every four updates
//
// Arrays: {initial,final}.{critic.K.T,target.T,actor}.LAYER.{weight,bias}, mask.{initial,final}.*.LAYER, batch.U.*,
// noise.U.{next,now} (B, A), loss (U, K), selected (U: after the update), temperature (U + 1: before the first and
// after each), entropy (U); eaudesac: exponent (events, K), NaN for the critic that stays as it is.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
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

constexpr std::size_t kTwins = 2, kUpdates = 20, kBatch = 24, kObservation = 7, kActions = 3;
constexpr double kExtraSparsities[] = {0.0, 0.4, 0.8};  // beyond what all critics and the target share

Config probe_config(const std::string& name, std::int64_t seed) {
  Config config;
  config.algorithm = name == "masked" ? "eaudesac" : name;
  config.environment = "mujoco/Hopper-v5";
  config.seed = seed;
  config.training.batch_size = kBatch;
  config.training.learning_rate = 1e-3;
  config.training.adam_epsilon = 1e-8;
  config.network.kind = "mlp";
  config.network.hidden = {24, 16};
  config.population.networks = name == "polyprunesac" ? 1 : 3;
  config.training.steps = 100;
  config.training.target_update_period = name == "eaudesac" ? 5 : 1'000;
  config.sparsity.method = name == "polyprunesac" ? "polynomial" : "eaude";
  config.sparsity.max_noise = 10;
  config.sparsity.max_speed = 0.3;
  config.sparsity.final = 0.8;
  config.sparsity.start = 2;
  config.sparsity.end = 15;
  config.sparsity.period = 4;
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
    const std::size_t critics = agent.critics().size();
    for (std::size_t twin = 0; twin < kTwins; ++twin) {
      const std::string part = "." + std::to_string(twin);
      for (std::size_t k = 0; k < critics; ++k) {
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

  void config(const std::string& name, const Config& config) const {
    nlohmann::ordered_json json;
    json["case"] = name;
    json["critics"] = config.population.networks;
    json["steps"] = config.training.steps;
    json["target_update_period"] = config.training.target_update_period;
    json["max_speed"] = config.sparsity.max_speed;
    json["schedule"] = {{"start", config.sparsity.start},
                        {"end", config.sparsity.end},
                        {"period", config.sparsity.period},
                        {"final", config.sparsity.final}};
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
    masks(when + "." + name, of);
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

void mask_randomly(SacAgent& agent, RandomStream& masks) {
  const std::size_t twins = kTwins * agent.critics().size();
  // Compact for the target as well, of which the critics then have still less.
  for (std::size_t i = 0; i < twins; ++i) {
    Network& network = agent.critics().network(i / kTwins, i % kTwins);
    copy_pruned(network, 0.3, Distribution::uniform, network);
  }
  agent.critics().follow_masks();
  for (std::size_t i = 0; i < twins; ++i) {
    mask_randomly(agent.critics().network(i / kTwins, i % kTwins), kExtraSparsities[i / kTwins], masks);
  }
  mask_randomly(agent.actor(), 0.6, masks);
}

// Says what the population draws: it has a stream of this name for each critic.
class Exponents {
 public:
  explicit Exponents(const Config& config) : most_(config.sparsity.max_noise) {
    for (std::int64_t k = 0; k < config.population.networks; ++k) {
      streams_.emplace_back(static_cast<std::uint64_t>(config.seed), "pruning", static_cast<std::uint64_t>(k));
    }
  }

  void draw(std::size_t selected) {
    for (std::size_t k = 0; k < streams_.size(); ++k) {
      drawn.push_back(k == selected ? std::numeric_limits<double>::quiet_NaN() : streams_[k].uniform(0.0, most_));
    }
  }

  std::vector<double> drawn;

 private:
  double most_;
  std::vector<RandomStream> streams_;
};

void probe(const std::filesystem::path& directory, const std::string& name, std::int64_t seed_value) {
  const Config config = probe_config(name, seed_value);
  SacAgent agent(config, kObservation, kActions);
  const std::size_t critics = agent.critics().size();
  const Writer writer(directory);
  writer.config(name, config);
  const auto seed = static_cast<std::uint64_t>(seed_value);
  RandomStream masks(seed, "probe masks"), batches(seed, "probe batches");
  if (name == "masked") mask_randomly(agent, masks);
  writer.agent("initial", agent);
  Exponents exponents(config);
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
    const auto step = static_cast<std::int64_t>(update);
    const auto of_update = agent.update(batch, step, pool);
    losses.insert(losses.end(), of_update.begin(), of_update.end());
    temperatures.push_back(agent.temperature());
    entropies.push_back(agent.entropy());
    selected.push_back(static_cast<std::int32_t>(agent.critics().selected()));
    agent.change_masks(step);
    if (step > 0 && step % config.training.target_update_period == 0) {
      exponents.draw(agent.update_target(step).selected);
    }
  }
  writer.agent("final", agent);
  writer.array("loss", "f8", {kUpdates, critics}, losses);
  writer.array("exponent", "f8", {exponents.drawn.size() / critics, critics}, exponents.drawn);
  writer.array("selected", "i4", {kUpdates}, selected);
  writer.array("temperature", "f8", {kUpdates + 1}, temperatures);
  writer.array("entropy", "f8", {kUpdates}, entropies);
}

}  // namespace
}  // namespace eaudeqn

int main(int count, char** words) {
  try {
    const bool seeded = count == 5 && std::string_view(words[3]) == "--seed";
    if (count != 3 && !seeded) throw eaudeqn::Error::usage("sac_probe DIRECTORY CASE [--seed N]");
    eaudeqn::probe(words[1], words[2], seeded ? std::atoll(words[4]) : 1);
    return 0;
  } catch (const eaudeqn::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.kind() == eaudeqn::Error::Kind::usage ? 2 : 1;
  }
}

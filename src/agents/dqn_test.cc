// Deep Q-learning as specifications: what acts, what y is, what the loss is, what moves. Gradients and Adam themselves
// are tested in engine/, copies and pruning in population/, the loop around all this in experiment/.
#include "agents/dqn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/test_directory.h"
#include "engine/kernels/reference.h"

namespace eaudeqn {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Config small_config(std::int64_t networks) {
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

Architecture vectors() {
  Architecture architecture;
  architecture.kind = "mlp";
  architecture.hidden = {24, 16};
  architecture.input = {5};
  architecture.outputs = 3;
  return architecture;
}

Architecture images() {
  Architecture architecture;
  architecture.kind = "nature";
  architecture.features = 8;
  architecture.input = {2, 12, 12};
  architecture.byte_input = true;
  architecture.outputs = 3;
  return architecture;
}

std::vector<std::byte> random_observations(const Architecture& architecture, std::size_t count, RandomStream& stream) {
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

Batch random_batch(const Architecture& architecture, std::size_t size, RandomStream& stream) {
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

std::vector<LayerWeights> all_layers(const Network& network) {
  std::vector<LayerWeights> layers;
  for (std::size_t l = 0; l < network.layers().size(); ++l) layers.push_back(network.layer_weights(l));
  return layers;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool same_bits(const Network& a, const Network& b) {
  const auto left = all_layers(a), right = all_layers(b);
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](const auto& x, const auto& y) {
    return same_bits(x.weights, y.weights) && x.mask == y.mask && same_bits(x.bias, y.bias);
  });
}

void prune_randomly(Network& network, double sparsity, RandomStream& stream) {
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights layer = network.layer_weights(l);
    for (std::size_t i = 1; i < layer.weights.size(); ++i) {
      if (stream.uniform() < sparsity) layer.mask[i] = 0, layer.weights[i] = 0;
    }
    network.set_layer(l, layer);
  }
}

// Q of one network for a batch, in double precision by the naive reference. [B][A]
std::vector<std::vector<double>> naive_values(const Network& network, const std::vector<std::byte>& observations) {
  const Architecture& architecture = network.spec().architecture;
  std::vector<std::vector<double>> weights, biases;
  for (const LayerWeights& layer : all_layers(network)) {
    weights.emplace_back(layer.weights.begin(), layer.weights.end());
    biases.emplace_back(layer.bias.begin(), layer.bias.end());
  }
  std::size_t elements = 1;
  for (const std::size_t size : architecture.input) elements *= size;
  const std::size_t element_bytes = architecture.byte_input ? 1 : sizeof(float);
  std::vector<std::vector<double>> values;
  for (std::size_t at = 0; at < observations.size(); at += elements * element_bytes) {
    std::vector<double> input(elements);
    for (std::size_t i = 0; i < elements; ++i) {
      float value = 0;
      if (!architecture.byte_input) std::memcpy(&value, observations.data() + at + i * sizeof(float), sizeof(float));
      input[i] = architecture.byte_input ? std::to_integer<int>(observations[at + i]) / 255.0 : value;
    }
    values.push_back(reference::run(network.spec(), weights, biases, input).back());
  }
  return values;
}

// mean_b (Q(s_b, a_b) - (r_b + d_b max_a Q_bar(s'_b, a)))^2
double naive_loss(const Network& network, const Network& target, const Batch& batch) {
  const auto values = naive_values(network, batch.observations);
  const auto next = naive_values(target, batch.next_observations);
  double sum = 0;
  for (std::size_t b = 0; b < values.size(); ++b) {
    const double y = batch.rewards[b] + batch.discounts[b] * *std::max_element(next[b].begin(), next[b].end());
    const double error = values[b][static_cast<std::size_t>(batch.actions[b])] - y;
    sum += error * error;
  }
  return sum / static_cast<double>(values.size());
}

TEST(MakeArchitecture, TakesFromTheConfigWhatTheKindOfNetworkUses) {
  NetworkConfig network;
  network.kind = "impala";
  network.features = 64;
  network.width = 2;
  network.hidden = {5};
  Architecture expected;
  expected.kind = "impala";
  expected.features = 64;
  expected.width = 2;
  expected.input = {4, 84, 84};
  expected.outputs = 6;
  expected.byte_input = true;
  EXPECT_EQ(make_architecture(network, {4, 84, 84}, true, 6), expected);
  network.kind = "mlp";
  EXPECT_EQ(make_architecture(network, {4}, false, 2).hidden, (std::vector<std::size_t>{5}));
}

TEST(ExplorationEpsilon, FallsLinearlyAfterTheInitialSamples) {
  TrainingConfig training;
  training.initial_samples = 10;
  training.epsilon_start = 0.9;
  training.epsilon_end = 0.1;
  training.epsilon_duration = 100;
  EXPECT_EQ(exploration_epsilon(training, 0), 1.0);
  EXPECT_EQ(exploration_epsilon(training, 9), 1.0);
  EXPECT_NEAR(exploration_epsilon(training, 10), 0.82, 1e-12);
  EXPECT_NEAR(exploration_epsilon(training, 50), 0.5, 1e-12);
  EXPECT_EQ(exploration_epsilon(training, 100), 0.1);
  EXPECT_EQ(exploration_epsilon(training, 1'000'000'000), 0.1);
  training.initial_samples = 200;
  EXPECT_EQ(exploration_epsilon(training, 150), 1.0) << "initial samples stay random however short the schedule";
  EXPECT_EQ(exploration_epsilon(training, 200), 0.1);
}

// The action for given output values: a network whose weights are zero and whose last biases are the values.
int greedy_action(const std::vector<float>& values) {
  const auto plan = std::make_shared<NetworkPlan>(make_network_spec(vectors()));
  Network network(plan, false);
  LayerWeights last = network.layer_weights(2);
  last.bias = values;
  network.set_layer(2, last);
  GreedyActor actor(plan);
  ThreadPool pool(1);
  RandomStream stream(5, "greedy");
  const int action = actor.act(network, random_observations(vectors(), 1, stream), pool);
  EXPECT_TRUE(same_bits(actor.values(), values));
  return action;
}

TEST(GreedyActor, TakesTheLargestValueTheLowerIndexOfEqualsAndNeverNan) {
  EXPECT_EQ(greedy_action({1, 3, 2}), 1);
  EXPECT_EQ(greedy_action({-3, -2, -1}), 2);
  EXPECT_EQ(greedy_action({2, 3, 3}), 1);
  EXPECT_EQ(greedy_action({2, 2, 2}), 0);
  EXPECT_EQ(greedy_action({kNan, 1, 2}), 2);
  EXPECT_EQ(greedy_action({kNan, -5, kNan}), 1);
  EXPECT_EQ(greedy_action({kNan, kNan, kNan}), 0) << "some action, for want of a better one";
}

TEST(GreedyActor, SeesTheObservation) {
  const auto plan = std::make_shared<NetworkPlan>(make_network_spec(images()));
  Network network(plan, false);
  RandomStream stream(5, "observation");
  network.initialize(stream);
  GreedyActor actor(plan);
  ThreadPool pool(1);
  for (int i = 0; i < 5; ++i) {
    const auto observation = random_observations(images(), 1, stream);
    const int action = actor.act(network, observation, pool);
    const auto expected = naive_values(network, observation)[0];
    for (std::size_t a = 0; a < 3; ++a) EXPECT_NEAR(actor.values()[a], expected[a], 1e-5);
    EXPECT_EQ(action, std::max_element(expected.begin(), expected.end()) - expected.begin());
  }
}

TEST(Acting, IsRandomAtEpsilonOneAndGreedyAtEpsilonZero) {
  Config config = small_config(3);
  config.training.initial_samples = 1'000;
  config.training.epsilon_duration = 1'000;
  config.training.epsilon_end = 0.0;
  DqnAgent agent(config, vectors());
  for (std::size_t k = 0; k < 3; ++k) {  // network k wants action k
    LayerWeights last = agent.population().network(k).layer_weights(2);
    std::fill(last.weights.begin(), last.weights.end(), 0.0F);
    last.bias[k] = 1;
    agent.population().network(k).set_layer(2, last);
  }
  agent.population().add_loss(0, kNan);
  agent.population().add_loss(1, 1.0);
  agent.population().add_loss(2, 3.0);
  ThreadPool pool(1);
  RandomStream stream(5, "acting");
  const auto observation = random_observations(vectors(), 1, stream);
  constexpr int kSteps = 1'200;
  std::vector<int> before(3, 0), after(3, 0);
  for (int i = 0; i < kSteps; ++i) {
    ++before[static_cast<std::size_t>(agent.act(observation, 999, pool))];
    ++after[static_cast<std::size_t>(agent.act(observation, 1'000, pool))];
  }
  const double deviation = std::sqrt(kSteps * 2.0 / 9.0);
  for (const int count : before) EXPECT_NEAR(count, kSteps / 3.0, 4 * deviation);
  EXPECT_EQ(after[0], 0) << "a network whose loss is NaN acted";
  EXPECT_NEAR(after[1], kSteps * 0.75, 4 * std::sqrt(kSteps * 3.0 / 16.0)) << "p_k ~ 1 / L_k";
}

struct UpdateCase {
  const char* name;
  Architecture architecture;
  std::size_t batch;
};

class Updates : public testing::TestWithParam<UpdateCase> {
 protected:
  Updates() : config_(with_batch(GetParam().batch)), agent_(config_, GetParam().architecture), pool_(2) {
    for (std::size_t k = 0; k < 3; ++k) {
      prune_randomly(agent_.population().network(k), 0.3 * static_cast<double>(k), stream_);
    }
    prune_randomly(agent_.population().target(), 0.5, stream_);
  }
  static Config with_batch(std::size_t batch) {
    Config config = small_config(3);
    config.training.batch_size = static_cast<std::int64_t>(batch);
    return config;
  }
  Batch batch() { return random_batch(GetParam().architecture, GetParam().batch, stream_); }

  RandomStream stream_{5, "updates"};
  Config config_;
  DqnAgent agent_;
  ThreadPool pool_;
};

TEST_P(Updates, TheLossIsTheMeanSquaredErrorToTheSharedTarget) {
  std::vector<double> sums(3, 0.0);
  for (int update = 0; update < 3; ++update) {
    const Batch drawn = batch();
    std::vector<double> expected;
    for (std::size_t k = 0; k < 3; ++k) {
      expected.push_back(naive_loss(agent_.population().network(k), agent_.population().target(), drawn));
    }
    const auto losses = agent_.update(drawn, pool_);
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_NEAR(losses[k], expected[k], 1e-5 * expected[k]) << "network " << k;
      sums[k] += losses[k];
    }
  }
  EXPECT_EQ(agent_.population().losses(), sums) << "L_k += loss";
}

TEST_P(Updates, EveryOnlineNetworkMovesAtEveryUpdateAndTheTargetNever) {
  Population& population = agent_.population();
  const auto target = naive_values(population.target(), batch().observations);
  const auto moves = [&](const char* when) {
    for (int update = 0; update < 2; ++update) {
      std::vector<std::vector<LayerWeights>> before;
      for (std::size_t k = 0; k < 3; ++k) before.push_back(all_layers(population.network(k)));
      const auto fixed = all_layers(population.target());
      agent_.update(batch(), pool_);
      for (std::size_t k = 0; k < 3; ++k) {
        const auto after = all_layers(population.network(k));
        for (std::size_t l = 0; l < after.size(); ++l) {
          EXPECT_FALSE(same_bits(after[l].weights, before[k][l].weights)) << when << " network " << k << " layer " << l;
          EXPECT_FALSE(same_bits(after[l].bias, before[k][l].bias)) << when << " network " << k << " layer " << l;
        }
      }
      for (std::size_t l = 0; l < fixed.size(); ++l) {
        EXPECT_TRUE(same_bits(population.target().layer_weights(l).weights, fixed[l].weights)) << when;
      }
    }
  };
  moves("from the start");
  for (std::int64_t step = 10; step <= 30; step += 10) {
    agent_.update_target(step);
    moves("after a target update");
  }
}

TEST_P(Updates, InactiveWeightsStayZeroAndAreNotStored) {
  std::vector<std::vector<LayerWeights>> before;
  for (std::size_t k = 0; k < 3; ++k) before.push_back(all_layers(agent_.population().network(k)));
  for (int update = 0; update < 3; ++update) agent_.update(batch(), pool_);
  std::size_t compact = 0, masked = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    const Network& network = agent_.population().network(k);
    for (std::size_t l = 0; l < network.layers().size(); ++l) {
      const Layer& layer = network.layers()[l];
      const LayerWeights weights = network.layer_weights(l);
      ASSERT_EQ(weights.mask, before[k][l].mask);
      for (std::size_t i = 0; i < weights.mask.size(); ++i) {
        if (weights.mask[i] == 0) {
          ASSERT_EQ(weights.weights[i], 0.0F);
        }
      }
      if (layer.compact) {
        ++compact;
        EXPECT_LT(layer.weights.size(), layer.active + 16) << "weights, rounded up to whole vectors";
        EXPECT_EQ(layer.first_moment.size(), layer.weights.size());
        EXPECT_EQ(layer.second_moment.size(), layer.weights.size());
      } else if (layer.active < layer.mask.size()) {
        ++masked;
      }
    }
  }
  EXPECT_GT(compact, 0U);
  EXPECT_GT(masked, 0U) << "both forms must have been trained";
}

INSTANTIATE_TEST_SUITE_P(NetworksAndBatches, Updates,
                         testing::Values(UpdateCase{"mlp32", vectors(), 32}, UpdateCase{"mlp5", vectors(), 5},
                                         UpdateCase{"mlp33", vectors(), 33}, UpdateCase{"nature32", images(), 32}),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(Targets, OfTerminalTransitionsIgnoreTheTargetNetwork) {
  DqnAgent one(small_config(2), vectors());
  DqnAgent two(small_config(2), vectors());
  LayerWeights last = two.population().target().layer_weights(2);
  for (float& bias : last.bias) bias += 1e6F;
  two.population().target().set_layer(2, last);
  ThreadPool pool(1);
  RandomStream stream(5, "terminal");
  Batch batch = random_batch(vectors(), 32, stream);
  std::fill(batch.discounts.begin(), batch.discounts.end(), 0.0F);
  EXPECT_EQ(one.update(batch, pool), two.update(batch, pool));
  EXPECT_TRUE(same_bits(one.population().network(1), two.population().network(1)));
  batch.discounts[31] = 0.5F;
  EXPECT_GT(two.update(batch, pool)[0], 1e6) << "one that is not terminal sees it";
}

TEST(Targets, AreSharedSoThatEqualNetworksStayEqual) {
  DqnAgent agent(small_config(3), vectors());
  Population& population = agent.population();
  for (std::size_t k = 1; k < 3; ++k) population.network(k).copy_from(population.network(0));
  RandomStream stream(5, "shared");
  prune_randomly(population.target(), 0.5, stream);
  ThreadPool pool(2);
  for (int update = 0; update < 5; ++update) {
    const auto losses = agent.update(random_batch(vectors(), 32, stream), pool);
    EXPECT_EQ(losses[0], losses[1]);
    EXPECT_EQ(losses[0], losses[2]);
  }
  EXPECT_TRUE(same_bits(population.network(0), population.network(1)));
  EXPECT_TRUE(same_bits(population.network(0), population.network(2)));
}

TEST(Learning, AFixedBatchIsFittedByEveryNetworkOfThePopulation) {
  DqnAgent agent(small_config(3), vectors());
  ThreadPool pool(1);
  RandomStream stream(5, "fit");
  prune_randomly(agent.population().network(2), 0.3, stream);
  Batch batch = random_batch(vectors(), 16, stream);
  std::fill(batch.discounts.begin(), batch.discounts.end(), 0.0F);
  const auto first = agent.update(batch, pool);
  std::vector<double> last;
  for (int update = 0; update < 600; ++update) last = agent.update(batch, pool);
  for (std::size_t k = 0; k < 3; ++k) EXPECT_LT(last[k], 0.1 * first[k]) << "network " << k;
}

// Deep Q-learning with one network and nothing else, as in Mnih et al. 2015, on the engine's passes alone.
class PlainDqn {
 public:
  PlainDqn(const Config& config, const Architecture& architecture)
      : training_(config.training),
        plan_(std::make_shared<NetworkPlan>(make_network_spec(architecture))),
        online_(plan_, true),
        target_(plan_, false),
        states_(plan_, 32),
        next_states_(plan_, 32),
        state_(plan_, 1),
        learning_(plan_, 32, true),
        looking_ahead_(plan_, 32, false),
        acting_(plan_, 1, false),
        exploration_(static_cast<std::uint64_t>(config.seed), "exploration") {
    RandomStream initialization(static_cast<std::uint64_t>(config.seed), "initialization", 0);
    online_.initialize(initialization);
    target_.copy_from(online_);
    learning_.set_input(states_);
    looking_ahead_.set_input(next_states_);
    acting_.set_input(state_);
  }

  std::size_t act(const std::vector<std::byte>& observation, std::int64_t step) {
    if (exploration_.uniform() < exploration_epsilon(training_, step)) return exploration_.below(actions());
    state_.load(observation, 1, pool_);
    const Pass pass{&online_, &acting_};
    forward({&pass, 1}, pool_);
    return best_action(acting_, 0);
  }

  void learn(const Batch& batch) {
    states_.load(batch.observations, 32, pool_);
    next_states_.load(batch.next_observations, 32, pool_);
    const Pass ahead{&target_, &looking_ahead_}, online{&online_, &learning_};
    forward({&ahead, 1}, pool_);
    forward({&online, 1}, pool_);
    learning_.clear_output_gradient();
    for (std::size_t b = 0; b < 32; ++b) {
      const float y = batch.rewards[b] + batch.discounts[b] * looking_ahead_.output(b, best_action(looking_ahead_, b));
      const auto action = static_cast<std::size_t>(batch.actions[b]);
      learning_.set_output_gradient(b, action, 2.0F * (learning_.output(b, action) - y) / 32.0F);
    }
    backward({&online, 1}, pool_);
    adam_step({&online, 1}, training_.learning_rate, training_.adam_epsilon, pool_);
  }

  void update_target() { target_.copy_from(online_); }
  const Network& online() const { return online_; }
  const Network& target() const { return target_; }

 private:
  std::size_t actions() const { return plan_->spec.architecture.outputs; }
  std::size_t best_action(const Workspace& workspace, std::size_t sample) const {
    std::size_t best = 0;
    for (std::size_t a = 1; a < actions(); ++a) {
      if (workspace.output(sample, a) > workspace.output(sample, best)) best = a;
    }
    return best;
  }

  TrainingConfig training_;
  std::shared_ptr<const NetworkPlan> plan_;
  Network online_, target_;
  InputTensor states_, next_states_, state_;
  Workspace learning_, looking_ahead_, acting_;
  RandomStream exploration_;
  ThreadPool pool_{1};
};

TEST(OneDenseNetwork, IsDqnBitForBit) {
  Config config = small_config(1);
  config.sparsity.method = "dense";
  config.population.reset_optimizer = false;
  config.training.initial_samples = 10;
  config.training.epsilon_duration = 60;
  for (const Architecture& architecture : {vectors(), images()}) {
    DqnAgent agent(config, architecture);
    PlainDqn plain(config, architecture);
    ThreadPool pool(2);
    RandomStream stream(5, "dqn");
    for (std::int64_t step = 0; step < 80; ++step) {
      const auto observation = random_observations(architecture, 1, stream);
      ASSERT_EQ(agent.act(observation, step, pool), static_cast<int>(plain.act(observation, step))) << "step " << step;
      const Batch batch = random_batch(architecture, 32, stream);
      agent.update(batch, pool);
      plain.learn(batch);
      if ((step + 1) % config.training.target_update_period == 0) {
        agent.update_target(step + 1);
        plain.update_target();
      }
      ASSERT_TRUE(same_bits(agent.population().network(0), plain.online())) << "step " << step;
      ASSERT_TRUE(same_bits(agent.population().target(), plain.target())) << "step " << step;
    }
  }
}

class EqualBits : public testing::TestWithParam<UpdateCase> {
 protected:
  // A little run with pruning on; everything it computes.
  static std::vector<float> run(int threads) {
    DqnAgent agent(small_config(3), GetParam().architecture);
    ThreadPool pool(threads);
    RandomStream stream(5, "threads");
    std::vector<float> all;
    for (std::int64_t step = 1; step <= 30; ++step) {
      const auto observation = random_observations(GetParam().architecture, 1, stream);
      all.push_back(static_cast<float>(agent.act(observation, 100'000'000, pool)));
      for (const double loss : agent.update(random_batch(GetParam().architecture, 32, stream), pool)) {
        all.push_back(static_cast<float>(loss));
      }
      if (step % 10 == 0) agent.update_target(step);
    }
    for (std::size_t k = 0; k < 3; ++k) {
      for (const LayerWeights& layer : all_layers(agent.population().network(k))) {
        all.insert(all.end(), layer.weights.begin(), layer.weights.end());
        all.insert(all.end(), layer.bias.begin(), layer.bias.end());
      }
    }
    return all;
  }
};

TEST_P(EqualBits, ComeFromAnyNumberOfThreads) {
  const auto one = run(1);
  EXPECT_TRUE(same_bits(run(2), one));
  EXPECT_TRUE(same_bits(run(3), one));
}

INSTANTIATE_TEST_SUITE_P(Networks, EqualBits,
                         testing::Values(UpdateCase{"mlp", vectors(), 32}, UpdateCase{"nature", images(), 32}),
                         [](const auto& parameter) { return parameter.param.name; });

// Training goes on the same from a saved agent, and differs if exploration starts anew: the negative control.
TEST(SavedAgent, GoesOnToTheSameBits) {
  const Config config = small_config(3);
  ThreadPool pool(1);
  const auto go_on = [&](DqnAgent& agent) {
    RandomStream stream(6, "future");
    std::vector<int> actions;
    for (std::int64_t step = 31; step <= 60; ++step) {
      actions.push_back(agent.act(random_observations(vectors(), 1, stream), step, pool));
      agent.update(random_batch(vectors(), 32, stream), pool);
      if (step % 10 == 0) agent.update_target(step);
    }
    return actions;
  };
  DqnAgent agent(config, vectors());
  RandomStream stream(5, "past");
  for (std::int64_t step = 1; step <= 35; ++step) {
    agent.act(random_observations(vectors(), 1, stream), step, pool);
    agent.update(random_batch(vectors(), 32, stream), pool);
    if (step % 10 == 0) agent.update_target(step);
  }
  const TestDirectory directory;
  ArchiveWriter archive, of_the_population;
  agent.save(archive);
  archive.write(directory / "agent");
  agent.population().save(of_the_population, "population/");
  of_the_population.write(directory / "population");

  DqnAgent loaded(config, vectors()), forgetful(config, vectors());
  loaded.load(ArchiveReader(directory / "agent"));
  forgetful.population().load(ArchiveReader(directory / "population"), "population/");
  const auto actions = go_on(agent);
  EXPECT_EQ(go_on(loaded), actions);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_TRUE(same_bits(loaded.population().network(k), agent.population().network(k)));
  }
  EXPECT_NE(go_on(forgetful), actions);
}

}  // namespace
}  // namespace eaudeqn

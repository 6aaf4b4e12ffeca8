// Deep Q-learning as specifications: what acts, what y is, what the loss is, what moves. Gradients and Adam themselves
// are tested in engine/, copies and pruning in population/, whole runs to the bit in dqn_bits_test.cc.
#include "agents/dqn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "agents/test_dqn.h"
#include "engine/kernels/reference.h"

namespace eaudeqn {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

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

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The action for given output values: a network whose weights are zero and whose last biases are the values.
int greedy_action(const std::vector<float>& values) {
  const auto plan = std::make_shared<NetworkPlan>(make_network_spec(vectors()));
  Network network(plan, false);
  LayerWeights last = network.layer_weights(2);
  last.bias = values;
  network.set_layer(2, last);
  GreedyActor actor(plan);
  SingleWeights weights = actor.make_weights();
  weights.refer_to(network);
  RandomStream stream(5, "greedy");
  const int action = actor.act(weights, random_observations(vectors(), 1, stream));
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
  EXPECT_EQ(greedy_action({kNan, -kInfinity, kNan}), 1);
  EXPECT_EQ(greedy_action({kNan, kNan, kNan}), 0) << "some action, for want of a better one";
}

TEST(GreedyActor, SeesTheObservation) {
  const auto plan = std::make_shared<NetworkPlan>(make_network_spec(images()));
  Network network(plan, false);
  RandomStream stream(5, "observation");
  network.initialize(stream);
  GreedyActor actor(plan);
  SingleWeights weights = actor.make_weights();
  weights.copy(network);
  for (int i = 0; i < 5; ++i) {
    const auto observation = random_observations(images(), 1, stream);
    const int action = actor.act(weights, observation);
    const auto expected = naive_values(network, observation)[0];
    for (std::size_t a = 0; a < 3; ++a) EXPECT_NEAR(actor.values()[a], expected[a], 1e-5);
    EXPECT_EQ(action, std::max_element(expected.begin(), expected.end()) - expected.begin());
  }
}

TEST(Acting, IsRandomAtEpsilonOneAndGreedyAtEpsilonZero) {
  Config config = dqn_config(3);
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
  RandomStream stream(5, "acting");
  const auto observation = random_observations(vectors(), 1, stream);
  constexpr int kSteps = 1'200;
  std::vector<int> before(3, 0), after(3, 0);
  for (int i = 0; i < kSteps; ++i) {
    ++before[static_cast<std::size_t>(agent.act(observation, 999))];
    ++after[static_cast<std::size_t>(agent.act(observation, 1'000))];
  }
  const double deviation = std::sqrt(kSteps * 2.0 / 9.0);
  for (const int count : before) EXPECT_NEAR(count, kSteps / 3.0, 4 * deviation);
  EXPECT_EQ(after[0], 0) << "a network whose loss is NaN acted";
  EXPECT_NEAR(after[1], kSteps * 0.75, 4 * std::sqrt(kSteps * 3.0 / 16.0)) << "p_k ~ 1 / L_k";
}

// The largest of several values of the target of which one is NaN was that of those after it.
TEST(Targets, ThatAreNaNInOneActionShowInEveryLoss) {
  for (std::size_t action = 0; action < 3; ++action) {
    DqnAgent agent(dqn_config(3), vectors());
    LayerWeights last = agent.population().target().layer_weights(2);
    last.bias[action] = kNan;
    agent.population().target().set_layer(2, last);
    ThreadPool pool(1);
    RandomStream stream(5, "targets");
    for (const double loss : agent.update(random_batch(vectors(), 32, stream), pool)) EXPECT_TRUE(std::isnan(loss));
  }
}

struct UpdateCase {
  const char* name;
  Architecture architecture;
  std::size_t batch;
};

class Updates : public testing::TestWithParam<UpdateCase> {
 protected:
  Updates() : config_(with_batch(GetParam().batch)), agent_(config_, GetParam().architecture), pool_(2) {
    constexpr double kSparsities[3] = {0, 0.15, 0.8};  // the second leaves some layers in dense form
    for (std::size_t k = 0; k < 3; ++k) prune_randomly(agent_.population().network(k), kSparsities[k], stream_);
    prune_randomly(agent_.population().target(), 0.5, stream_);
  }
  static Config with_batch(std::size_t batch) {
    Config config = dqn_config(3);
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
                                         UpdateCase{"mlp33", vectors(), 33}, UpdateCase{"nature7", images(), 7}),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(Targets, OfTerminalTransitionsIgnoreTheTargetNetwork) {
  DqnAgent one(dqn_config(2), vectors());
  DqnAgent two(dqn_config(2), vectors());
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
  DqnAgent agent(dqn_config(3), vectors());
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
  DqnAgent agent(dqn_config(3), vectors());
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

// RigL's gradients are those of the loss at the current weights, of inactive weights too, and masks change only when
// the method says so.
TEST(ChangeMasks, RiglGrowsWhereTheLossChangesMost) {
  Config config = dqn_config(1);
  config.sparsity.method = "rigl";
  config.sparsity.distribution = "uniform";
  config.sparsity.final = 0.8;
  config.sparsity.start = 0;
  config.sparsity.end = 1'000;
  config.sparsity.period = 4;
  Architecture architecture = vectors();
  architecture.hidden = {24, 16};
  DqnAgent agent(config, architecture);
  ThreadPool pool(2);
  RandomStream stream(9, "test");
  const Batch batch = random_batch(architecture, 32, stream);
  for (int i = 0; i < 5; ++i) agent.update(batch, pool);
  Network& network = agent.population().network(0);
  const auto before = all_layers(network);
  EXPECT_FALSE(agent.change_masks(batch, 3, pool));
  EXPECT_TRUE(same_bits(all_layers(network), before));
  // How much the loss falls or rises with each inactive weight of the second layer; nothing where ReLU has a kink.
  const double loss = naive_loss(network, agent.population().target(), batch);
  std::vector<std::optional<double>> slopes(before[1].mask.size());
  const auto slope = [&](std::size_t i, float change) {
    LayerWeights changed = before[1];
    changed.mask[i] = 1;
    changed.weights[i] = change;
    network.set_layer(1, changed);
    return (naive_loss(network, agent.population().target(), batch) - loss) / static_cast<double>(change);
  };
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    if (before[1].mask[i] != 0) continue;
    const double up = slope(i, 1e-4F);
    const double down = slope(i, -1e-4F);
    if (std::abs(up - down) <= 1e-2 * std::abs(up + down)) slopes[i] = std::abs(up + down) / 2;
  }
  network.set_layer(1, before[1]);
  EXPECT_TRUE(agent.change_masks(batch, 4, pool));
  const LayerWeights after = network.layer_weights(1);
  double smallest_grown = 1e9;
  double largest_left = 0;
  int compared = 0;
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    if (!slopes[i]) continue;
    ++compared;
    if (after.mask[i] != 0) {
      smallest_grown = std::min(smallest_grown, *slopes[i]);
    } else {
      largest_left = std::max(largest_left, *slopes[i]);
    }
  }
  EXPECT_GT(compared, 150) << "of 307";
  EXPECT_GT(smallest_grown, 0.0);
  EXPECT_GE(smallest_grown, largest_left * 0.99) << "but for the error of the differences";
}

}  // namespace
}  // namespace eaudeqn

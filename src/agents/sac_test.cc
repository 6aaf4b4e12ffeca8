// Soft actor-critic as a whole: it learns, prunes as it is told, and is the same to the bit for any number of threads
// and after loading. That each number is right is tests/conformance/test_sac_jax.py's to show.
#include "agents/sac.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "agents/test_sac.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

// Updates `first` .. `last` with a target update every ten.
void learn(SacAgent& agent, std::int64_t first, std::int64_t last, ThreadPool& pool) {
  for (std::int64_t step = first; step <= last; ++step) {
    RandomStream stream(7, "batch", static_cast<std::uint64_t>(step));
    agent.update(random_vectors(stream), step, pool);
    agent.change_masks(step);
    if (step % 10 == 0) agent.update_target(step);
  }
}

// One step from anywhere, worth most with the actions (0.5, -0.3): the mean action must go there.
TEST(Sac, FindsTheBestActionOfABandit) {
  Config config = sac_config(1);
  config.sparsity.method = "dense";
  config.training.learning_rate = config.sac.actor_learning_rate = config.sac.temperature_learning_rate = 5e-3;
  config.sac.initial_temperature = 0.1;
  SacAgent agent(config, kObservationSize, kActionSize);
  ThreadPool pool(1);
  for (std::int64_t step = 0; step < 1'500; ++step) {
    RandomStream stream(5, "bandit", static_cast<std::uint64_t>(step));
    VectorBatch batch = random_vectors(stream);
    for (std::size_t b = 0; b < kBatchSize; ++b) {
      const float x = batch.actions[2 * b] - 0.5F, y = batch.actions[2 * b + 1] + 0.3F;
      batch.rewards[b] = -5 * (x * x + y * y);
      batch.discounts[b] = 0;
    }
    agent.update(batch, step, pool);
  }
  ContinuousActor actor(std::make_shared<NetworkPlan>(agent.actor().plan()));
  SingleWeights weights = actor.make_weights();
  weights.copy(agent.actor());
  RandomStream stream(6, "observation");
  for (int trial = 0; trial < 5; ++trial) {
    const auto action = actor.mean_action(weights, random_numbers(kObservationSize, stream));
    EXPECT_NEAR(action[0], 0.5, 0.15);
    EXPECT_NEAR(action[1], -0.3, 0.15);
  }
  EXPECT_NEAR(agent.entropy(), -2, 0.7) << "the temperature holds the entropy at minus the number of dimensions";
}

TEST(Sac, ActsAtRandomFirstAndThenFromThePolicy) {
  SacAgent agent(sac_config(2), kObservationSize, kActionSize);
  const std::vector<float> observation = {1, 2, 3, 4, 5};
  double sum = 0, smallest = 1, largest = -1;
  for (int i = 0; i < 500; ++i) {
    for (const float value : agent.act(observation, 9)) {
      sum += value;
      smallest = std::min<double>(smallest, value);
      largest = std::max<double>(largest, value);
    }
  }
  EXPECT_NEAR(sum / 1000, 0, 0.07);
  EXPECT_LT(smallest, -0.98);
  EXPECT_GT(largest, 0.98);
  EXPECT_GE(smallest, -1);
  SacAgent fresh(sac_config(2), kObservationSize, kActionSize);
  ContinuousActor actor(std::make_shared<NetworkPlan>(fresh.actor().plan()));
  SingleWeights weights = actor.make_weights();
  weights.copy(fresh.actor());
  RandomStream exploration(3, "exploration");
  for (int i = 0; i < 5; ++i) {
    const auto ours = fresh.act(observation, 10);
    const auto expected = actor.sample_action(weights, observation, exploration);
    EXPECT_TRUE(std::equal(ours.begin(), ours.end(), expected.begin(), expected.end()));
  }
}

// The smaller of two values of which the first was NaN was the second.
TEST(Sac, ATargetThatIsNaNInOneTwinShowsInEveryLoss) {
  for (std::size_t twin = 0; twin < 2; ++twin) {
    SacAgent agent(sac_config(3), kObservationSize, kActionSize);
    LayerWeights last = agent.critics().target(twin).layer_weights(2);
    last.bias[0] = std::numeric_limits<float>::quiet_NaN();
    agent.critics().target(twin).set_layer(2, last);
    ThreadPool pool(1);
    RandomStream stream(5, "targets");
    EXPECT_THROW(agent.update(random_vectors(stream), 10, pool), Error) << "no critic has a loss that is a number";
  }
}

TEST(Sac, AnyNumberOfThreadsGivesTheSameBits) {
  std::vector<std::vector<std::byte>> states;
  for (const int threads : {1, 4, 5}) {  // six critics: some are whole ones of a thread, some are shared
    SacAgent agent(sac_config(3), kObservationSize, kActionSize);
    ThreadPool pool(threads);
    learn(agent, 1, 35, pool);
    EXPECT_GT(agent.critics().sparsity(0) + agent.critics().sparsity(1), 0.1);
    states.push_back(state_of(agent));
  }
  EXPECT_EQ(states[0], states[1]);
  EXPECT_EQ(states[0], states[2]);
}

TEST(Sac, ALoadedAgentGoesOnWithTheSameBits) {
  ThreadPool pool(1);
  SacAgent agent(sac_config(3), kObservationSize, kActionSize), loaded(sac_config(3), kObservationSize, kActionSize);
  learn(agent, 1, 25, pool);
  const TestDirectory directory;
  ArchiveWriter archive;
  agent.save(archive);
  archive.write(directory / "state");
  loaded.load(ArchiveReader(directory / "state"));
  for (SacAgent* each : {&agent, &loaded}) {
    each->act(std::vector<float>(kObservationSize, 0.5F), 100);
    learn(*each, 26, 40, pool);
  }
  EXPECT_EQ(state_of(agent), state_of(loaded));
}

TEST(EauDeSac, TheActorFollowsTheSelectedCritic) {
  SacAgent agent(sac_config(3), kObservationSize, kActionSize);
  ThreadPool pool(1);
  for (std::int64_t step = 1; step <= 60; ++step) {
    const double before = agent.actor().sparsity();
    learn(agent, step, step, pool);
    if (step % 10 != 0) continue;
    // The update above selected and pruned; whoever was selected is unchanged and still has the actor's sparsity.
    const double selected = agent.critics().sparsity(agent.critics().selected());
    EXPECT_NEAR(agent.actor().sparsity(), std::max(before, selected), 0.02);
  }
  EXPECT_GT(agent.actor().sparsity(), 0.1);
}

TEST(EauDeSac, AnActorThatIsNotPrunedStaysDenseAndAScheduleIsKept) {
  ThreadPool pool(1);
  Config config = sac_config(3);
  config.sac.actor_pruning = "none";
  SacAgent dense(config, kObservationSize, kActionSize);
  learn(dense, 1, 30, pool);
  EXPECT_EQ(dense.actor().sparsity(), 0);
  config.sac.actor_pruning = "polynomial";
  config.sparsity.start = 0;
  config.sparsity.end = 20;
  config.sparsity.final = 0.6;
  SacAgent scheduled(config, kObservationSize, kActionSize);
  learn(scheduled, 1, 30, pool);
  EXPECT_NEAR(scheduled.actor().sparsity(), 0.6, 0.01);
}

// One twin critic and this method, which starts at step 5 and ends at 25.
Config config_with(const std::string& method) {
  Config config = sac_config(1);
  config.algorithm = (method == "polynomial" ? "polyprune" : method) + "sac";
  config.sparsity.method = method;
  config.sparsity.start = 5;
  config.sparsity.end = 25;
  config.sparsity.period = 5;
  config.sparsity.final = 0.8;
  config.sparsity.drop_share = 0.5;
  config.population.reset_optimizer = false;
  return config;
}

TEST(PolyPruneSac, CriticsTargetAndActorFollowTheSchedule) {
  SacAgent agent(config_with("polynomial"), kObservationSize, kActionSize);
  ThreadPool pool(1);
  learn(agent, 1, 9, pool);
  EXPECT_EQ(agent.critics().sparsity(0), 0);
  learn(agent, 10, 10, pool);
  const double quarter = 0.8 * (1 - std::pow(0.75, 3));
  EXPECT_NEAR(agent.critics().sparsity(0), quarter, 0.01);
  EXPECT_NEAR(agent.critics().target(1).sparsity(), quarter, 0.01);
  EXPECT_NEAR(agent.actor().sparsity(), quarter, 0.01);
  learn(agent, 11, 40, pool);
  EXPECT_NEAR(agent.critics().sparsity(0), 0.8, 0.01);
  EXPECT_NEAR(agent.actor().sparsity(), 0.8, 0.01);
}

std::vector<std::uint8_t> masks_of(const Network& network) {
  std::vector<std::uint8_t> masks;
  for (const Layer& layer : network.layers()) masks.insert(masks.end(), layer.mask.begin(), layer.mask.end());
  return masks;
}

// The actor and both critics are as sparse from the first step to the last; only static keeps the very weights.
TEST(SparseSac, StaticSetAndRiglKeepTheSparsityOfActorCriticsAndTarget) {
  for (const char* method : {"static", "set", "rigl"}) {
    SacAgent agent(config_with(method), kObservationSize, kActionSize);
    ThreadPool pool(1);
    const auto networks = [&] {
      return std::vector<const Network*>{&agent.actor(), &agent.critics().network(0, 0),
                                         &agent.critics().network(0, 1)};
    };
    std::vector<std::vector<std::uint8_t>> before;
    std::vector<double> sparsities;
    for (const Network* network : networks()) {
      before.push_back(masks_of(*network));
      sparsities.push_back(network->sparsity());
      EXPECT_NEAR(network->sparsity(), 0.8, 0.01) << method;
    }
    EXPECT_NE(before[1], before[2]) << "each twin has masks of its own";
    learn(agent, 1, 30, pool);
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_DOUBLE_EQ(networks()[i]->sparsity(), sparsities[i]) << method;
      EXPECT_EQ(masks_of(*networks()[i]) == before[i], std::string(method) == "static") << method;
    }
    for (std::size_t twin = 0; twin < 2; ++twin) {
      EXPECT_EQ(masks_of(agent.critics().target(twin)), masks_of(agent.critics().network(0, twin))) << method;
    }
  }
}

TEST(SparseSac, ADenseActorStaysDense) {
  for (const char* method : {"static", "set", "rigl", "distill"}) {
    Config config = config_with(method);
    config.sac.actor_pruning = "none";
    SacAgent agent(config, kObservationSize, kActionSize);
    ThreadPool pool(1);
    learn(agent, 1, 30, pool);
    EXPECT_EQ(agent.actor().sparsity(), 0) << method;
    EXPECT_NEAR(agent.critics().sparsity(0), 0.8, 0.01) << method;
  }
}

TEST(SparseSac, DistillPrunesAtTargetUpdatesToTheEndOfItsSchedule) {
  SacAgent agent(config_with("distill"), kObservationSize, kActionSize);
  ThreadPool pool(1);
  learn(agent, 1, 9, pool);
  EXPECT_EQ(agent.critics().sparsity(0), 0);
  learn(agent, 10, 10, pool);
  const double quarter = 0.8 * (1 - std::pow(0.75, 3));
  EXPECT_NEAR(agent.critics().sparsity(0), quarter, 0.01);
  EXPECT_NEAR(agent.actor().sparsity(), quarter, 0.01);
  learn(agent, 11, 40, pool);
  EXPECT_NEAR(agent.critics().sparsity(0), 0.8, 0.01);
  EXPECT_NEAR(agent.actor().sparsity(), 0.8, 0.01);
}

// What RigL grows, it grows by the gradient; so the bits depend on it, and on neither threads nor a stop between.
TEST(SparseSac, RiglGivesTheSameBitsForAnyThreadsAndAfterLoading) {
  std::vector<std::vector<std::byte>> states;
  for (const int threads : {1, 3}) {
    auto agent = std::make_unique<SacAgent>(config_with("rigl"), kObservationSize, kActionSize);
    ThreadPool pool(threads);
    learn(*agent, 1, 12, pool);
    const TestDirectory directory;
    ArchiveWriter archive;
    agent->save(archive);
    archive.write(directory / "state");
    if (threads == 3) {
      agent = std::make_unique<SacAgent>(config_with("rigl"), kObservationSize, kActionSize);
      agent->load(ArchiveReader(directory / "state"));
    }
    learn(*agent, 13, 30, pool);
    states.push_back(state_of(*agent));
  }
  EXPECT_EQ(states[0], states[1]);
}

}  // namespace
}  // namespace eaudeqn

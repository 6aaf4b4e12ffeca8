// The conservative penalty: worked values, its gradient against differences, and what it does to an agent's loss.
#include "agents/cql.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "agents/test_dqn.h"

namespace eaudeqn {
namespace {

double penalty(std::vector<float> values, std::size_t action, double alpha) {
  std::vector<float> gradient(values.size(), 0.0F);
  return conservative_penalty(values, action, alpha, 1.0, gradient);
}

TEST(ConservativePenalty, IsAlphaTimesLogSumExpMinusTheActionsValue) {
  EXPECT_NEAR(penalty({1, 1, 1, 1}, 2, 0.5), 0.5 * std::log(4.0), 1e-12);
  EXPECT_NEAR(penalty({0, 1}, 0, 1.0), std::log(1 + std::exp(1.0)), 1e-12);
  EXPECT_EQ(penalty({5, 7}, 1, 0.0), 0.0);
  EXPECT_NEAR(penalty({1e4F, 0}, 0, 0.1), 0.0, 1e-12) << "no overflow";
  EXPECT_NEAR(penalty({1e4F, 0}, 1, 0.1), 1e3, 1e-9);
}

TEST(ConservativePenalty, AddsItsGradient) {
  RandomStream stream(1, "test");
  for (int i = 0; i < 100; ++i) {
    std::vector<float> values(2 + stream.below(6));
    for (float& value : values) value = static_cast<float>(stream.normal());
    const std::size_t action = stream.below(values.size());
    std::vector<float> gradient(values.size(), 10.0F);
    conservative_penalty(values, action, 0.7, 0.25, gradient);
    double sum = 0;
    for (std::size_t a = 0; a < values.size(); ++a) {
      std::vector<float> up = values, down = values;
      up[a] += 1.0F / 256;
      down[a] -= 1.0F / 256;
      const double difference = (penalty(up, action, 0.7) - penalty(down, action, 0.7)) / (up[a] - down[a]);
      EXPECT_NEAR(gradient[a] - 10.0F, 0.25 * difference, 1e-5);
      sum += gradient[a] - 10.0F;
    }
    EXPECT_NEAR(sum, 0.0, 1e-5) << "what the action gains the others lose";
  }
}

// Networks' outputs for a batch, by the agent's own actor.
std::vector<float> values_of(DqnAgent& agent, const Batch& batch, std::size_t b) {
  GreedyActor actor(agent.shared_plan());
  SingleWeights weights = actor.make_weights();
  weights.copy(agent.population().network(0));
  const std::size_t bytes = batch.observations.size() / batch.actions.size();
  actor.act(weights, std::span(batch.observations).subspan(b * bytes, bytes));
  return actor.values();
}

TEST(CqlAgent, ItsLossIsThatOfDqnPlusThePenalty) {
  Config config = dqn_config(1);
  ThreadPool pool(1);
  RandomStream stream(2, "test");
  const Batch batch = random_batch(vectors(), 32, stream);
  config.algorithm = "dqn";
  DqnAgent dqn(config, vectors());
  config.algorithm = "cql";
  config.cql.alpha = 0.3;
  DqnAgent cql(config, vectors());
  double expected = 0;
  for (std::size_t b = 0; b < 32; ++b) {
    expected += penalty(values_of(cql, batch, b), static_cast<std::size_t>(batch.actions[b]), 0.3) / 32;
  }
  EXPECT_GT(expected, 0.1);
  EXPECT_NEAR(cql.update(batch, pool)[0] - dqn.update(batch, pool)[0], expected, 1e-6);
}

TEST(CqlAgent, WithoutAlphaIsDqnToTheBit) {
  Config config = dqn_config(2);
  ThreadPool pool(1);
  RandomStream stream(3, "test");
  const Batch batch = random_batch(vectors(), 32, stream);
  config.algorithm = "eaudedqn";
  DqnAgent dqn(config, vectors());
  config.algorithm = "eaudecql";
  config.cql.alpha = 0;
  DqnAgent cql(config, vectors());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(cql.update(batch, pool), dqn.update(batch, pool));
  EXPECT_TRUE(same_bits(cql.population().network(1), dqn.population().network(1)));
}

TEST(CqlAgent, RaisesTheDatasActionsAboveTheOthers) {
  Config config = dqn_config(1);
  config.algorithm = "cql";
  config.cql.alpha = 5;
  ThreadPool pool(1);
  RandomStream stream(4, "test");
  Batch batch = random_batch(vectors(), 32, stream);
  std::fill(batch.actions.begin(), batch.actions.end(), 1);
  DqnAgent agent(config, vectors());
  for (int i = 0; i < 200; ++i) agent.update(batch, pool);
  int first = 0;
  for (std::size_t b = 0; b < 32; ++b) {
    const auto values = values_of(agent, batch, b);
    first += std::max_element(values.begin(), values.end()) - values.begin() == 1 ? 1 : 0;
  }
  EXPECT_EQ(first, 32);
}

}  // namespace
}  // namespace eaudeqn

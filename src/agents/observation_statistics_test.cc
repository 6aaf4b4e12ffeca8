#include "agents/observation_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "agents/sac.h"
#include "agents/test_sac.h"
#include "core/random.h"

namespace eaudeqn {
namespace {

// Elements of different size and place; the last one never changes.
std::vector<float> draw_observation(RandomStream& stream) {
  return {static_cast<float>(stream.normal()), static_cast<float>(5000 + 3 * stream.normal()),
          static_cast<float>(0.05 * stream.normal() - 0.2), static_cast<float>(100 * stream.normal()), 0.75F};
}

std::vector<std::vector<float>> draw_observations(std::size_t count) {
  RandomStream stream(5, "test");
  std::vector<std::vector<float>> observations;
  for (std::size_t i = 0; i < count; ++i) observations.push_back(draw_observation(stream));
  return observations;
}

ObservationStatistics statistics_of(const std::vector<std::vector<float>>& observations) {
  ObservationStatistics statistics(kObservationSize);
  for (const std::vector<float>& observation : observations) statistics.add(observation);
  return statistics;
}

std::vector<float> normalized(const ObservationStatistics& statistics, std::vector<float> observations) {
  statistics.normalize(observations);
  return observations;
}

TEST(ObservationStatistics, AreThoseOfTwoPassesOverAllObservations) {
  const auto observations = draw_observations(3000);
  const ObservationStatistics statistics = statistics_of(observations);
  for (std::size_t i = 0; i < kObservationSize; ++i) {
    long double mean = 0, squares = 0;
    for (const auto& observation : observations) mean += observation[i];
    mean /= 3000;
    for (const auto& observation : observations) squares += (observation[i] - mean) * (observation[i] - mean);
    const double deviation = std::max(std::sqrt(static_cast<double>(squares / 3000)), kSmallestDeviation);
    for (const float x : {observations[7][i], observations[99][i]}) {
      std::vector<float> row(kObservationSize, 0.0F);
      row[i] = x;
      const double expected = (static_cast<double>(x) - static_cast<double>(mean)) / deviation;
      EXPECT_NEAR(normalized(statistics, row)[i], expected, 1e-6 * std::max(1.0, std::abs(expected))) << i;
    }
  }
}

TEST(ObservationStatistics, NormalizeEveryRowAlike) {
  const auto observations = draw_observations(50);
  const ObservationStatistics statistics = statistics_of(observations);
  std::vector<float> both = observations[0];
  both.insert(both.end(), observations[1].begin(), observations[1].end());
  std::vector<float> expected = normalized(statistics, observations[0]);
  for (const float value : normalized(statistics, observations[1])) expected.push_back(value);
  EXPECT_EQ(normalized(statistics, both), expected);
}

TEST(ObservationStatistics, ChangeNothingBeforeTheFirstObservation) {
  const std::vector<float> row = {1, -2, 3, -4, 5};
  EXPECT_EQ(normalized(ObservationStatistics(kObservationSize), row), row);
}

TEST(ObservationStatistics, DoNotBlowUpWhatHardlyVaries) {
  const ObservationStatistics statistics = statistics_of(draw_observations(50));
  EXPECT_EQ(normalized(statistics, {0, 0, 0, 0, 0.75F})[4], 0.0F);
  EXPECT_FLOAT_EQ(normalized(statistics, {0, 0, 0, 0, 1.75F})[4], 100.0F);
}

// What ships says to raw observations what the actor in training says to normalized ones.
TEST(ObservationStatistics, FoldedIntoAnActorLeaveItsActions) {
  const auto observations = draw_observations(500);
  const ObservationStatistics statistics = statistics_of(observations);
  SacAgent agent(sac_config(2), kObservationSize, kActionSize);
  LayerWeights first = agent.actor().layer_weights(0);
  for (std::size_t i = 0; i < first.weights.size(); i += 3) first.weights[i] = 0, first.mask[i] = 0;
  for (std::size_t i = 0; i < first.bias.size(); ++i) first.bias[i] = 0.1F * static_cast<float>(i % 5);
  agent.actor().set_layer(0, first);
  const Network shipped = statistics.folded(agent.actor());
  EXPECT_EQ(shipped.layer_weights(0).mask, first.mask);
  EXPECT_EQ(shipped.layer_weights(1).weights, agent.actor().layer_weights(1).weights);

  ContinuousActor actor(std::make_shared<NetworkPlan>(shipped.plan()));
  SingleWeights training = actor.make_weights(), shipping = actor.make_weights();
  training.copy(agent.actor());
  shipping.copy(shipped);
  double spread = 0;
  for (std::size_t row = 0; row < 100; ++row) {
    const auto of_training = actor.mean_action(training, normalized(statistics, observations[row]));
    const std::vector<float> expected(of_training.begin(), of_training.end());
    const auto action = actor.mean_action(shipping, observations[row]);
    for (std::size_t i = 0; i < kActionSize; ++i) {
      // Inputs of 5000 +- 3 have lost three digits as float32 beside their deviation.
      EXPECT_NEAR(action[i], expected[i], 1e-3);
      spread = std::max(spread, static_cast<double>(std::abs(expected[i] - expected[0])));
    }
  }
  EXPECT_GT(spread, 0.1) << "all actions are alike: little is compared";
}

ObservationStatistics loaded(const ObservationStatistics& statistics, std::size_t size = kObservationSize) {
  const TestDirectory directory;
  ArchiveWriter archive;
  statistics.save(archive, "seen/");
  archive.write(directory / "state");
  ObservationStatistics result(size);
  result.load(ArchiveReader(directory / "state"), "seen/");
  return result;
}

TEST(ObservationStatistics, GoOnExactlyAfterALoad) {
  const auto observations = draw_observations(200);
  const std::vector<std::vector<float>> begin(observations.begin(), observations.begin() + 80);
  ObservationStatistics resumed = loaded(statistics_of(begin));
  for (std::size_t i = 80; i < 200; ++i) resumed.add(observations[i]);
  EXPECT_EQ(normalized(resumed, observations[3]), normalized(statistics_of(observations), observations[3]));
}

TEST(ObservationStatistics, RefuseToLoadWhatIsOfAnotherEnvironmentOrImpossible) {
  EXPECT_THROW(loaded(statistics_of(draw_observations(3)), kObservationSize + 1), Error);
  for (const double wrong : {-1.0, std::numeric_limits<double>::quiet_NaN()}) {
    const TestDirectory directory;
    ArchiveWriter archive;
    archive.add_value("seen/count", std::int64_t{3});
    archive.add<double>("seen/mean", std::vector<double>(kObservationSize, 0.0));
    archive.add<double>("seen/squares", std::vector<double>(kObservationSize, wrong));
    archive.write(directory / "state");
    ObservationStatistics statistics(kObservationSize);
    EXPECT_THROW(statistics.load(ArchiveReader(directory / "state"), "seen/"), Error);
  }
}

}  // namespace
}  // namespace eaudeqn

// Statistics against numbers worked out by hand; against rliable: tests/conformance/test_statistics.py.
#include "report/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eaudeqn/error.h"
#include "report/atari_scores.h"

namespace eaudeqn {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

const Scores kScores = {{0.0, 2.0, 4.0, 100.0}, {1.0, 3.0}, {0.5, 0.5}};

TEST(Statistics, PointsByHand) {
  EXPECT_DOUBLE_EQ(mean_score(kScores), (26.5 + 2.0 + 0.5) / 3);
  EXPECT_DOUBLE_EQ(median_score(kScores), 2.0);
  // 0 .5 | .5 1 2 3 | 4 100
  EXPECT_DOUBLE_EQ(interquartile_mean(kScores), 6.5 / 4);
  EXPECT_DOUBLE_EQ(optimality_gap(kScores), 1 - (0 + 1 + 1 + 1 + 1 + 1 + .5 + .5) / 8);
  EXPECT_DOUBLE_EQ(optimality_gap(kScores, 2.0), 2 - (0 + 2 + 2 + 2 + 1 + 2 + .5 + .5) / 8);
  EXPECT_THAT(performance_profile(kScores, {-1, 0, 0.5, 50, 100}), ElementsAre(1, 7.0 / 8, 5.0 / 8, 1.0 / 8, 0));
}

TEST(Statistics, MedianOfAnEvenNumberOfTasksIsBetweenThem) {
  EXPECT_DOUBLE_EQ(median_score({{1.0}, {4.0}, {2.0}, {10.0}}), 3.0);
}

TEST(Statistics, FewRunsAreNotTrimmed) { EXPECT_DOUBLE_EQ(interquartile_mean({{1.0, 2.0, 6.0}}), 3.0); }

TEST(Statistics, ProbabilityOfImprovementCountsEqualsHalf) {
  EXPECT_DOUBLE_EQ(probability_of_improvement({{2.0, 1.0}}, {{1.0, 0.0}}), 3.5 / 4);
  EXPECT_DOUBLE_EQ(probability_of_improvement(kScores, kScores), 0.5);
  EXPECT_DOUBLE_EQ(probability_of_improvement({{2.0}, {0.0}}, {{1.0}, {1.0}}), 0.5);
}

TEST(Statistics, IntervalsDependOnTheSeedAloneAndHoldThePoint) {
  const Scores scores = {{1, 2, 3, 4, 5, 6, 7, 8}, {2, 4, 6, 8}};
  const Estimate first = bootstrap(scores, interquartile_mean);
  const Estimate again = bootstrap(scores, interquartile_mean);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_LT(first.low, first.point);
  EXPECT_GT(first.high, first.point);
  EXPECT_DOUBLE_EQ(first.point, interquartile_mean(scores));
  const Estimate other = bootstrap(scores, mean_score, {.replications = 1000, .confidence = 0.95, .seed = 1});
  const Estimate wide = bootstrap(scores, mean_score, {.replications = 1000, .confidence = 0.99, .seed = 1});
  EXPECT_LT(wide.low, other.low);
  EXPECT_GT(wide.high, other.high);
}

// The mean of n draws from {0, 1} is binomial: its quantiles are known.
TEST(Statistics, IntervalOfAMeanIsThatOfABinomial) {
  const Scores scores = {{0, 0, 0, 0, 0, 1, 1, 1, 1, 1}};
  const Estimate estimate = bootstrap(scores, mean_score, {.replications = 20'000, .confidence = 0.9, .seed = 3});
  EXPECT_THAT(estimate.low, DoubleNear(0.2, 1e-12));  // P(sum <= 1) = 0.011, P(sum <= 2) = 0.055
  EXPECT_THAT(estimate.high, DoubleNear(0.8, 1e-12));
}

TEST(Statistics, NeverDrawsARunOfAnotherTask) {
  const Estimate estimate = bootstrap({{1.0, 1.0}, {5.0}}, mean_score);
  EXPECT_EQ(estimate.low, 3.0);
  EXPECT_EQ(estimate.high, 3.0);
}

TEST(Statistics, RefusesWhatHasNoAnswer) {
  EXPECT_THROW(mean_score({}), Error);
  EXPECT_THROW(interquartile_mean({{1.0}, {}}), Error);
  EXPECT_THROW(probability_of_improvement({{1.0}}, {{1.0}, {2.0}}), Error);
  EXPECT_THROW(bootstrap({{1.0}}, mean_score, {.replications = 0, .confidence = 0.95, .seed = 0}), Error);
  EXPECT_THROW(bootstrap({{1.0}}, mean_score, {.replications = 1, .confidence = 1.0, .seed = 0}), Error);
}

TEST(AtariScores, NormalisesByRandomAndHuman) {
  EXPECT_DOUBLE_EQ(human_normalised_score("atari/Pong", -20.7).value(), 0.0);
  EXPECT_DOUBLE_EQ(human_normalised_score("atari/Pong", 14.6).value(), 1.0);
  EXPECT_DOUBLE_EQ(human_normalised_score("atari/Qbert", 163.9 + 2 * (13455.0 - 163.9)).value(), 2.0);
  EXPECT_FALSE(human_normalised_score("classic/CartPole-v1", 500).has_value());
}

}  // namespace
}  // namespace eaudeqn

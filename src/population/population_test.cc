// What a target update does to a population, as specifications: who is copied where, what is pruned and reset. Not how
// weights are trained (agents/dqn_test.cc), which entries a mask keeps (sparsity/magnitude_test.cc) or how a population
// is saved (population_save_test.cc).
#include "population/population.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "core/test_directory.h"
#include "population/test_population.h"
#include "sparsity/next_sparsity.h"

namespace eaudeqn {
namespace {

using testing::Each;
using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Every active weight moves a little, as between two target updates.
void jitter(Network& network, RandomStream& stream) {
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights layer = network.layer_weights(l);
    for (std::size_t i = 0; i < layer.weights.size(); ++i) {
      if (layer.mask[i] != 0) layer.weights[i] += static_cast<float>(0.1 * stream.normal());
    }
    network.set_layer(l, layer);
  }
}

TEST(SmallestLoss, IsTheLowerIndexOfEqualsAndNeverNan) {
  EXPECT_EQ(smallest_loss({3, 1, 2}), 1U);
  EXPECT_EQ(smallest_loss({3, 1, 1}), 1U);
  EXPECT_EQ(smallest_loss({0, 0, 0}), 0U);
  EXPECT_EQ(smallest_loss({kNan, 2, 1}), 2U);
  EXPECT_EQ(smallest_loss({kNan, kInfinity}), 1U) << "an infinite loss is the worst number, but a number";
  EXPECT_EQ(smallest_loss({kNan, kNan}), std::nullopt);
}

TEST(ChoiceProbabilities, AreInverseToTheLosses) {
  const auto p = choice_probabilities({1, 2, 4});
  EXPECT_NEAR(p[0] / p[1], 2, 1e-5);
  EXPECT_NEAR(p[1] / p[2], 2, 1e-5);
  EXPECT_NEAR(p[0] + p[1] + p[2], 1, 1e-12);
  EXPECT_THAT(choice_probabilities({0, 0, 0, 0}), Each(0.25)) << "right after a target update";
  EXPECT_NEAR(choice_probabilities({0, 1e-6})[0], 2.0 / 3.0, 1e-12) << "1 / (L + 1e-6)";
}

TEST(ChoiceProbabilities, AreZeroForNanUnlessAllAreNan) {
  EXPECT_EQ(choice_probabilities({kNan, 3})[0], 0.0);
  EXPECT_EQ(choice_probabilities({kNan, 3})[1], 1.0);
  EXPECT_THAT(choice_probabilities({kNan, kNan}), Each(0.5));
  EXPECT_THAT(choice_probabilities({kInfinity, kInfinity}), Each(0.5));
}

TEST(NewPopulation, IsDenseIndependentlyInitialisedAndTargetsNetworkZero) {
  Population population(small_plan(), small_config(4));
  std::set<std::vector<float>> first_layers;
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_EQ(population.network(k).sparsity(), 0.0);
    first_layers.insert(population.network(k).layer_weights(0).weights);
  }
  EXPECT_EQ(first_layers.size(), 4U);
  EXPECT_TRUE(same_bits(all_layers(population.target()), all_layers(population.network(0))));
  EXPECT_EQ(population.selected(), 0U);
  EXPECT_THAT(population.losses(), Each(0.0));

  Config other_seed = small_config(4);
  other_seed.seed = 12;
  Population other(small_plan(), other_seed);
  EXPECT_EQ(first_layers.count(other.network(0).layer_weights(0).weights), 0U);
}

TEST(ActingNetwork, IsDrawnWithTheChoiceProbabilities) {
  Population population(small_plan(), small_config(4));
  add_losses(population, {1, 2, kNan, 4});
  const auto p = choice_probabilities(population.losses());
  constexpr int kDraws = 20'000;
  std::vector<int> counts(4, 0);
  for (int i = 0; i < kDraws; ++i) ++counts[population.draw_acting_network()];
  for (std::size_t k = 0; k < 4; ++k) {
    const double deviation = std::sqrt(kDraws * p[k] * (1 - p[k]));
    EXPECT_NEAR(counts[k], kDraws * p[k], 4 * deviation) << "network " << k;
  }
}

// A population of four that has trained for a while; network 2 has the smallest loss.
class TargetUpdateOfFour : public testing::Test {
 protected:
  explicit TargetUpdateOfFour(Config config = small_config(4)) : config_(config), population_(small_plan(), config) {
    for (std::size_t k = 0; k < 4; ++k) {
      set_trained_state(population_.network(k), 0.9 - 0.2 * static_cast<double>(k), stream_);
    }
    set_trained_state(population_.target(), 0.8, stream_);
    add_losses(population_, {3, 2, 1, 4});
    for (std::size_t k = 0; k < 4; ++k) before_.push_back(all_layers(population_.network(k)));
  }

  static constexpr std::size_t kSelected = 2;
  Config config_;
  RandomStream stream_{5, "population_test"};
  Population population_;
  std::vector<std::vector<LayerWeights>> before_;
};

TEST_F(TargetUpdateOfFour, TheSelectedNetworkStaysAsItIsBitForBit) {
  EXPECT_EQ(population_.update_target(5'000).selected, kSelected);
  EXPECT_EQ(population_.selected(), kSelected);
  EXPECT_TRUE(same_bits(all_layers(population_.network(kSelected)), before_[kSelected]));
}

TEST_F(TargetUpdateOfFour, TheTargetBecomesTheSelectedNetworkAndNotTheOtherWayRound) {
  ASSERT_FALSE(same_bits(all_layers(population_.target()), before_[kSelected]));
  population_.update_target(5'000);
  EXPECT_TRUE(same_bits(all_layers(population_.target()), before_[kSelected]));
}

TEST_F(TargetUpdateOfFour, NothingOfTheOldTargetEntersAnOnlineNetwork) {
  Network& target = population_.target();
  for (std::size_t l = 0; l < target.layers().size(); ++l) {
    LayerWeights layer = target.layer_weights(l);
    std::fill(layer.mask.begin(), layer.mask.end(), std::uint8_t{1});
    std::fill(layer.weights.begin(), layer.weights.end(), 1000.0F);
    std::fill(layer.bias.begin(), layer.bias.end(), 1000.0F);
    target.set_layer(l, layer);
  }
  population_.update_target(5'000);
  for (std::size_t k = 0; k < 4; ++k) {
    for (const LayerWeights& layer : all_layers(population_.network(k))) {
      EXPECT_EQ(std::count(layer.weights.begin(), layer.weights.end(), 1000.0F), 0) << "network " << k;
      EXPECT_EQ(std::count(layer.bias.begin(), layer.bias.end(), 1000.0F), 0) << "network " << k;
    }
  }
}

TEST_F(TargetUpdateOfFour, TheOthersBecomePrunedCopiesOfTheSelectedNetwork) {
  const TargetUpdate update = population_.update_target(5'000);
  for (const std::size_t k : {0U, 1U, 3U}) {
    const auto copy = all_layers(population_.network(k));
    for (std::size_t l = 0; l < copy.size(); ++l) {
      const LayerWeights& source = before_[kSelected][l];
      EXPECT_TRUE(same_bits(copy[l].bias, source.bias));
      for (std::size_t i = 0; i < copy[l].mask.size(); ++i) {
        ASSERT_LE(copy[l].mask[i], source.mask[i]) << "a pruned weight came back";
        ASSERT_EQ(copy[l].weights[i], copy[l].mask[i] != 0 ? source.weights[i] : 0.0F);
      }
    }
    EXPECT_GT(population_.network(k).sparsity(), update.sparsity);
  }
}

TEST_F(TargetUpdateOfFour, EveryCopyHasItsOwnDrawOfTheExponent) {
  config_.sparsity.max_noise = 30.0;
  config_.sparsity.max_speed = 1.0;  // else the limit would hide the draws
  Population population(small_plan(), config_);
  std::vector<RandomStream> draws;
  for (std::size_t k = 0; k < 4; ++k) draws.emplace_back(config_.seed, "pruning", k);
  for (const std::int64_t step : {20'000, 40'000, 60'000}) {
    add_losses(population, {2, 2, 1, 2});
    const TargetUpdate update = population.update_target(step);
    std::set<double> different;
    for (const std::size_t k : {0U, 1U, 3U}) {
      const double wanted =
          next_sparsity(update.sparsity, step, 100'000, 100, draws[k].uniform(0.0, 30.0), config_.sparsity.max_speed);
      different.insert(wanted);
      for (const LayerWeights& layer : all_layers(population.network(k))) {
        const auto zeros = std::count(layer.mask.begin(), layer.mask.end(), std::uint8_t{0});
        EXPECT_EQ(zeros, static_cast<std::ptrdiff_t>(wanted * static_cast<double>(layer.mask.size())));
      }
    }
    EXPECT_EQ(different.size(), 3U);
  }
}

TEST_F(TargetUpdateOfFour, TheCopiesShareNoMemoryWithTheSelectedNetworkNorTheTarget) {
  population_.update_target(5'000);
  const auto target = all_layers(population_.target());
  const auto other = all_layers(population_.network(0));
  jitter(population_.network(kSelected), stream_);
  EXPECT_TRUE(same_bits(all_layers(population_.target()), target));
  EXPECT_TRUE(same_bits(all_layers(population_.network(0)), other));
  jitter(population_.network(0), stream_);
  EXPECT_TRUE(same_bits(all_layers(population_.target()), target));
}

TEST_F(TargetUpdateOfFour, ReportsWhatItDid) {
  const TargetUpdate update = population_.update_target(5'000);
  EXPECT_EQ(update.losses, (std::vector<double>{3, 2, 1, 4})) << "before the reset";
  EXPECT_EQ(update.sparsity, population_.network(kSelected).sparsity());
  for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(update.sparsities[k], population_.network(k).sparsity());
  EXPECT_THAT(population_.losses(), Each(0.0));
}

TEST_F(TargetUpdateOfFour, EqualLossesSelectTheLowestIndex) {
  add_losses(population_, {1, 2, 3, 0});
  EXPECT_EQ(population_.update_target(5'000).selected, 0U);
  EXPECT_EQ(population_.update_target(6'000).selected, 0U) << "all zero";
}

TEST_F(TargetUpdateOfFour, ANetworkWithNanLossIsNotSelectedAndBecomesAHealthyCopy) {
  population_.add_loss(kSelected, kNan);
  LayerWeights layer = population_.network(kSelected).layer_weights(0);
  std::fill(layer.weights.begin(), layer.weights.end(), std::numeric_limits<float>::quiet_NaN());
  std::fill(layer.mask.begin(), layer.mask.end(), std::uint8_t{1});
  population_.network(kSelected).set_layer(0, layer);
  EXPECT_EQ(population_.update_target(5'000).selected, 1U);
  for (const float weight : population_.network(kSelected).layer_weights(0).weights) ASSERT_FALSE(std::isnan(weight));
}

TEST_F(TargetUpdateOfFour, WhenEveryLossIsNanItThrowsNamingTheStepAndChangesNothing) {
  add_losses(population_, {kNan, kNan, kNan, kNan});
  const auto before = state_of(population_);
  EXPECT_THAT(failure_message([&] { population_.update_target(4'321); }), HasSubstr("step 4321"));
  EXPECT_EQ(state_of(population_), before);
}

TEST_F(TargetUpdateOfFour, ResetsTheOptimizerOfEveryNetworkTheSelectedOneIncluded) {
  population_.update_target(5'000);
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_EQ(population_.network(k).optimizer_steps, 0);
    for (std::size_t l = 0; l < 3; ++l) {
      const Network::Moments moments = population_.network(k).layer_moments(l);
      for (const auto* values : {&moments.first, &moments.second, &moments.bias_first, &moments.bias_second}) {
        EXPECT_THAT(*values, Each(0.0F)) << "network " << k << " layer " << l;
      }
    }
  }
}

class WithoutOptimizerReset : public TargetUpdateOfFour {
 protected:
  static Config config() {
    Config config = small_config(4);
    config.population.reset_optimizer = false;
    return config;
  }
  WithoutOptimizerReset() : TargetUpdateOfFour(config()) {}
};

TEST_F(WithoutOptimizerReset, StepCountsAndTheMomentsOfActiveWeightsSurvive) {
  std::vector<Network::Moments> old;
  for (std::size_t k = 0; k < 4; ++k) old.push_back(population_.network(k).layer_moments(1));
  population_.update_target(5'000);
  for (std::size_t k = 0; k < 4; ++k) {
    const Network& network = population_.network(k);
    EXPECT_EQ(network.optimizer_steps, 17);
    const Network::Moments moments = network.layer_moments(1);
    const auto mask = network.layer_weights(1).mask;
    for (std::size_t i = 0; i < mask.size(); ++i) {
      ASSERT_EQ(moments.first[i], mask[i] != 0 ? old[k].first[i] : 0.0F);
      ASSERT_EQ(moments.second[i], mask[i] != 0 ? old[k].second[i] : 0.0F);
    }
    EXPECT_EQ(moments.bias_first, old[k].bias_first);
    EXPECT_EQ(moments.bias_second, old[k].bias_second);
  }
}

TEST(TargetUpdateWithoutNoise, IsAnEnsembleRestartedFromItsBestCopy) {
  Config config = small_config(3);
  config.sparsity.max_noise = 0;
  Population population(small_plan(), config);
  const auto best = all_layers(population.network(1));
  add_losses(population, {2, 1, 3});
  const TargetUpdate update = population.update_target(50'000);
  for (std::size_t k = 0; k < 3; ++k) EXPECT_TRUE(same_bits(all_layers(population.network(k)), best));
  EXPECT_THAT(update.sparsities, Each(0.0));
}

TEST(TargetUpdateOfADensePopulation, MovesTheTargetAndReplacesNobody) {
  Config config = small_config(3);
  config.sparsity.method = "dense";
  Population population(small_plan(), config);
  std::vector<std::vector<LayerWeights>> before;
  for (std::size_t k = 0; k < 3; ++k) before.push_back(all_layers(population.network(k)));
  add_losses(population, {2, 1, 3});
  population.update_target(50'000);
  EXPECT_TRUE(same_bits(all_layers(population.target()), before[1]));
  for (std::size_t k = 0; k < 3; ++k) EXPECT_TRUE(same_bits(all_layers(population.network(k)), before[k]));
}

TEST(RandomSelection, ChoosesEveryNetworkEquallyOftenButNeverNan) {
  Config config = small_config(4);
  config.population.selection = "random";
  config.sparsity.method = "dense";
  Population population(small_plan(), config);
  constexpr int kUpdates = 900;
  std::vector<int> counts(4, 0);
  for (int i = 0; i < kUpdates; ++i) {
    add_losses(population, {1, 1'000, kNan, 5});
    ++counts[population.update_target(i).selected];
  }
  EXPECT_EQ(counts[2], 0);
  const double deviation = std::sqrt(kUpdates * 2.0 / 9.0);
  for (const std::size_t k : {0U, 1U, 3U}) EXPECT_NEAR(counts[k], kUpdates / 3.0, 4 * deviation) << "network " << k;
}

TEST(RandomSelection, ThrowsWhenEveryLossIsNanInsteadOfDrawingForever) {
  Config config = small_config(2);
  config.population.selection = "random";
  Population population(small_plan(), config);
  add_losses(population, {kNan, kNan});
  EXPECT_THROW(population.update_target(1), Error);
}

class Distributions : public testing::TestWithParam<std::string> {
 protected:
  // `updates` target updates over the whole run, with training between them; `check` sees each and the networks.
  template <typename Check>
  void run(double max_speed, int updates, const Check& check) {
    Config config = small_config(4);
    config.sparsity.distribution = GetParam();
    config.sparsity.max_speed = max_speed;
    config.training.steps = 100 * updates;
    Population population(small_plan(), config);
    RandomStream stream(5, "losses");
    for (int i = 1; i <= updates; ++i) {
      for (std::size_t k = 0; k < 4; ++k) {
        jitter(population.network(k), stream);
        population.add_loss(k, stream.uniform());
      }
      const TargetUpdate update = population.update_target(100 * i);
      check(update, population);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
};

TEST_P(Distributions, SparsityNeverFallsNorRisesFasterThanTheSpeedLimit) {
  double sparsity = 0;
  run(0.02, 150, [&](const TargetUpdate& update, Population&) {
    ASSERT_GE(update.sparsity, sparsity) << "of the selected network";
    ASSERT_LE(update.sparsity, sparsity + 0.02 + 1e-12);
    sparsity = update.sparsity;
    for (const double copy : update.sparsities) {
      ASSERT_GE(copy, update.sparsity);
      ASSERT_LE(copy, update.sparsity + 0.02 + 1e-12);
    }
  });
  EXPECT_GT(sparsity, 0.5) << "with random losses sparsity must have risen";
}

TEST_P(Distributions, NoLayerIsEmptiedHoweverLongTheRun) {
  double largest = 0;
  run(1.0, 300, [&](const TargetUpdate& update, Population& population) {
    largest = std::max(largest, *std::max_element(update.sparsities.begin(), update.sparsities.end()));
    for (std::size_t k = 0; k < 4; ++k) {
      for (const Layer& layer : population.network(k).layers()) ASSERT_GE(layer.active, 1U);
    }
  });
  EXPECT_GT(largest, 0.99) << "the run must have come to the end of its schedule";
}

INSTANTIATE_TEST_SUITE_P(All, Distributions, testing::Values("uniform", "erk", "global"),
                         [](const auto& parameter) { return parameter.param; });

}  // namespace
}  // namespace eaudeqn

// Targets that follow: against plain arithmetic in double, in every form; and what a population makes of them.
#include "population/polyak.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "population/test_population.h"

namespace eaudeqn {
namespace {

// A network whose masks lie within those of `outer`, `density` of them.
void prune_within(const Network& outer, double density, RandomStream& stream, Network& network) {
  set_trained_state(network, density, stream);
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights layer = network.layer_weights(l);
    const auto mask = outer.layer_weights(l).mask;
    for (std::size_t i = 0; i < mask.size(); ++i) {
      if (mask[i] == 0) layer.mask[i] = 0, layer.weights[i] = 0;
    }
    network.set_layer(l, layer);
  }
}

TEST(PolyakAverage, MovesEveryWeightByTauInEveryForm) {
  const auto plan = small_plan();
  RandomStream stream(1, "polyak");
  for (const auto& [target_density, online_density] :
       {std::pair(1.0, 1.0), std::pair(1.0, 0.2), std::pair(0.7, 0.6), std::pair(0.4, 1.0), std::pair(0.3, 0.3)}) {
    Network target(plan, false), online(plan, true);
    set_trained_state(target, target_density, stream);
    prune_within(target, online_density, stream, online);
    const auto before = all_layers(target);
    PolyakAverage average;
    average.index(target);
    average.move(online, 0.05, target);
    const auto from = all_layers(online), after = all_layers(target);
    for (std::size_t l = 0; l < after.size(); ++l) {
      EXPECT_EQ(after[l].mask, before[l].mask);
      for (std::size_t i = 0; i < after[l].weights.size(); ++i) {
        const double expected = 0.95 * before[l].weights[i] + 0.05 * from[l].weights[i];
        ASSERT_NEAR(after[l].weights[i], expected, 1e-6) << "layer " << l << ", weight " << i;
        ASSERT_TRUE(before[l].mask[i] != 0 || after[l].weights[i] == 0.0F);
      }
      for (std::size_t i = 0; i < after[l].bias.size(); ++i) {
        ASSERT_NEAR(after[l].bias[i], 0.95 * before[l].bias[i] + 0.05 * from[l].bias[i], 1e-6);
      }
    }
  }
}

// As in a step of RigL, when online critics compute units that nothing reads: places of the compact form were once read
// from a layer that had just become dense.
TEST(PolyakAverage, MovesACompactTargetTowardsADenseLayer) {
  const auto plan = small_plan();
  RandomStream stream(3, "polyak");
  Network target(plan, false), online(plan, true);
  set_trained_state(target, 0.3, stream);
  prune_within(target, 0.8, stream, online);
  const auto before = all_layers(target), from = all_layers(online);
  for (std::size_t l = 0; l < before.size(); ++l) {
    target.set_layer(l, before[l], LayerForm::compact);
    online.set_layer(l, from[l], LayerForm::dense);
  }
  PolyakAverage average;
  average.index(target);
  average.move(online, 0.05, target);
  const auto after = all_layers(target);
  for (std::size_t l = 0; l < after.size(); ++l) {
    for (std::size_t i = 0; i < after[l].weights.size(); ++i) {
      ASSERT_NEAR(after[l].weights[i], 0.95 * before[l].weights[i] + 0.05 * from[l].weights[i], 1e-6)
          << "layer " << l << ", weight " << i;
    }
  }
}

TEST(PolyakAverage, ATargetForgetsWhatNoNetworkHas) {
  const auto plan = small_plan();
  RandomStream stream(2, "polyak");
  Network target(plan, false), a(plan, true), b(plan, true);
  set_trained_state(target, 1.0, stream);
  set_trained_state(a, 0.2, stream);
  set_trained_state(b, 0.2, stream);
  const auto before = all_layers(target);
  const std::vector<const Network*> online = {&a, &b};
  PolyakAverage average;
  average.follow_masks(online, target);
  for (std::size_t l = 0; l < before.size(); ++l) {
    const LayerWeights layer = target.layer_weights(l);
    const auto of_a = a.layer_weights(l).mask, of_b = b.layer_weights(l).mask;
    for (std::size_t i = 0; i < layer.mask.size(); ++i) {
      ASSERT_EQ(layer.mask[i], of_a[i] | of_b[i]);
      ASSERT_EQ(layer.weights[i], layer.mask[i] != 0 ? before[l].weights[i] : 0.0F);
    }
  }
}

Config twin_config(std::int64_t networks) {
  Config config = small_config(networks);
  config.sparsity.max_speed = 0.2;
  config.training.target_update_period = 5'000;  // large steps of the schedule
  return config;
}

TEST(FollowingTarget, GoesTowardsTheNetworkOfTheSmallestAverageLoss) {
  Population population(small_plan(), twin_config(3), 2);
  const float before = population.target(1).layer_weights(0).weights[0];
  for (std::size_t k = 0; k < 3; ++k) population.average_loss(k, k == 1 ? 1.0 : 2.0, 0.25);
  EXPECT_EQ(population.losses(), (std::vector<double>{0.5, 0.25, 0.5}));
  population.move_target(10, 0.5);
  EXPECT_EQ(population.selected(), 1u);
  const float online = population.network(1, 1).layer_weights(0).weights[0];
  EXPECT_NEAR(population.target(1).layer_weights(0).weights[0], (before + online) / 2, 1e-7);
}

TEST(FollowingTarget, AtRandomKeepsTheNetworkThatWasDrawnUnlessItIsLost) {
  Config config = twin_config(3);
  config.population.selection = "random";
  Population population(small_plan(), config, 2);
  const std::size_t drawn = population.replace_others(10).selected;
  for (std::size_t k = 0; k < 3; ++k) population.average_loss(k, k == drawn ? 9.0 : 1.0, 0.25);
  population.move_target(11, 0.5);
  EXPECT_EQ(population.selected(), drawn);
  population.average_loss(drawn, std::numeric_limits<double>::quiet_NaN(), 0.25);
  population.move_target(12, 0.5);
  EXPECT_NE(population.selected(), drawn);
}

TEST(FollowingTarget, BothPartsOfTheOthersBecomePrunedCopiesOfTheSelected) {
  Population population(small_plan(), twin_config(3), 2);
  for (std::size_t k = 0; k < 3; ++k) population.average_loss(k, 3.0 - static_cast<double>(k), 0.25);
  const auto selected = all_layers(population.network(2, 1));
  const auto target = all_layers(population.target(1));
  const TargetUpdate update = population.replace_others(50'000);
  EXPECT_EQ(update.selected, 2u);
  EXPECT_EQ(update.sparsities[2], 0);
  EXPECT_GT(update.sparsities[0], 0);
  EXPECT_TRUE(same_bits(all_layers(population.network(2, 1)), selected)) << "psi stays as it is";
  EXPECT_TRUE(same_bits(all_layers(population.target(1)), target)) << "psi is dense: nothing to forget";
  for (std::size_t part = 0; part < 2; ++part) {
    const LayerWeights copy = population.network(0, part).layer_weights(0);
    const LayerWeights original = population.network(2, part).layer_weights(0);
    for (std::size_t i = 0; i < copy.weights.size(); ++i) {
      ASSERT_EQ(copy.weights[i], copy.mask[i] != 0 ? original.weights[i] : 0.0F);
    }
  }
  EXPECT_EQ(population.losses(), std::vector<double>(3, 0.0));
}

TEST(FollowingTarget, SchedulesPruneAllPartsAndTheTarget) {
  Config config = twin_config(1);
  config.sparsity.method = "polynomial";
  config.sparsity.final = 0.8;
  config.sparsity.start = 0;
  config.sparsity.end = config.sparsity.period = 100;
  Population population(small_plan(), config, 2);
  for (std::size_t part = 0; part < 2; ++part) population.change_masks(0, part, 100, {});
  population.follow_masks();
  EXPECT_NEAR(population.sparsity(0), 0.8, 0.01);
  EXPECT_NEAR(population.target(0).sparsity(), 0.8, 0.01);
  EXPECT_NEAR(population.target(1).sparsity(), 0.8, 0.01);
  population.average_loss(0, 1.0, 0.5);
  population.move_target(10, 0.5);
  EXPECT_EQ(population.target(1).layers()[0].mask, population.network(0, 1).layers()[0].mask);
}

TEST(FollowingTarget, ALoadedPopulationGoesOnWithTheSameBits) {
  Population population(small_plan(), twin_config(3), 2), loaded(small_plan(), twin_config(3), 2);
  for (const std::int64_t step : {50'000, 60'000, 90'000}) {  // until layers are stored compact
    for (std::size_t k = 0; k < 3; ++k) population.average_loss(k, population.sparsity(k) > 0 ? 1.0 : 2.0, 0.25);
    population.replace_others(step);
  }
  const TestDirectory directory;
  ArchiveWriter archive;
  population.save(archive, "population/");
  archive.write(directory / "state");
  loaded.load(ArchiveReader(directory / "state"), "population/");
  for (Population* each : {&population, &loaded}) {
    for (std::size_t k = 0; k < 3; ++k) each->average_loss(k, 3.0 - static_cast<double>(k), 0.25);
    each->move_target(95'000, 0.3);
    each->replace_others(96'000);
  }
  EXPECT_EQ(state_of(population), state_of(loaded));
}

}  // namespace
}  // namespace eaudeqn

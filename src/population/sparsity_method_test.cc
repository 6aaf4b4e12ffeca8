// When masks change and how, for every method on whole networks. Which entries a rule picks: sparsity/*_test.cc; who is
// copied where at a target update: population_test.cc.
#include "population/sparsity_method.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "population/test_population.h"
#include "sparsity/polynomial.h"
#include "sparsity/topology.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Config config_of(const std::string& method) {
  Config config = small_config(1);
  config.sparsity.method = method;
  config.sparsity.distribution = "erk";
  config.sparsity.final = 0.8;
  config.sparsity.start = 1'000;
  config.sparsity.end = 2'000;
  config.sparsity.period = 300;
  return config;
}

std::vector<std::int64_t> changes(const SparsityMethod& method) {
  std::vector<std::int64_t> steps;
  for (std::int64_t step = 0; step <= 5'000; ++step) {
    if (method.changes_at(step)) steps.push_back(step);
  }
  return steps;
}

std::vector<std::size_t> actives(const Network& network) {
  std::vector<std::size_t> counts;
  for (const Layer& layer : network.layers()) counts.push_back(layer.active);
  return counts;
}

WeightGradients random_gradients(const Network& network, RandomStream& stream) {
  WeightGradients gradients;
  for (const LayerSpec& layer : network.spec().layers) {
    gradients.emplace_back(layer.weights());
    for (float& value : gradients.back()) value = static_cast<float>(stream.normal());
  }
  return gradients;
}

// A new network of the method, then weights and moments as after some training in its masks.
Network trained(const SparsityMethod& method, RandomStream& stream) {
  Network network(small_plan(), true);
  network.initialize(stream);
  method.begin(network, stream);
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights layer = network.layer_weights(l);
    Network::Moments moments = network.layer_moments(l);
    for (std::size_t i = 0; i < layer.weights.size(); ++i) {
      layer.weights[i] = layer.mask[i] != 0 ? static_cast<float>(1 + stream.uniform()) : 0.0F;
      moments.first[i] = moments.second[i] = layer.mask[i] != 0 ? 1.0F : 0.0F;
    }
    network.set_layer(l, layer);
    network.set_layer_moments(l, moments);
  }
  return network;
}

TEST(SparsityMethod, ChangesMasksAtMultiplesOfThePeriodBetweenStartAndEnd) {
  EXPECT_THAT(changes(SparsityMethod(config_of("set"))), ElementsAre(1'200, 1'500, 1'800));
  EXPECT_THAT(changes(SparsityMethod(config_of("rigl"))), ElementsAre(1'200, 1'500, 1'800));
  EXPECT_THAT(changes(SparsityMethod(config_of("polynomial"))), ElementsAre(1'200, 1'500, 1'800, 2'100))
      << "one more, so that the schedule arrives";
  Config on_time = config_of("polynomial");
  on_time.sparsity.end = 1'800;
  EXPECT_THAT(changes(SparsityMethod(on_time)), ElementsAre(1'200, 1'500, 1'800));
  for (const char* method : {"dense", "eaude", "distill", "static"}) {
    EXPECT_THAT(changes(SparsityMethod(config_of(method))), IsEmpty()) << method;
  }
  Config from_zero = config_of("rigl");
  from_zero.sparsity.start = 0;
  EXPECT_EQ(changes(SparsityMethod(from_zero)).front(), 300) << "a new network has only just got its masks";
}

TEST(SparsityMethod, OnlyRiglWantsGradients) {
  for (const char* method : {"dense", "eaude", "distill", "polynomial", "static", "set"}) {
    EXPECT_FALSE(SparsityMethod(config_of(method)).wants_gradients()) << method;
  }
  EXPECT_TRUE(SparsityMethod(config_of("rigl")).wants_gradients());
}

TEST(SparsityMethod, BeginsDenseOrWithTheRandomMasksOfItsDistribution) {
  for (const char* name : {"dense", "eaude", "distill", "polynomial"}) {
    RandomStream stream(1, "test");
    const auto position = stream.position();
    Network network(small_plan(), true);
    SparsityMethod(config_of(name)).begin(network, stream);
    EXPECT_EQ(network.sparsity(), 0.0) << name;
    EXPECT_EQ(stream.position(), position) << name << " draws nothing: the runs of earlier versions stay";
  }
  for (const char* name : {"static", "set", "rigl"}) {
    RandomStream stream(1, "test");
    RandomStream same(1, "test");
    Network network(small_plan(), true);
    RandomStream initialization(2, "test");
    network.initialize(initialization);
    const auto before = all_layers(network);
    SparsityMethod(config_of(name)).begin(network, stream);
    std::vector<std::vector<std::size_t>> shapes;
    for (const LayerSpec& layer : network.spec().layers) shapes.push_back(layer.shape());
    const auto masks = random_masks(shapes, 0.8, Distribution::erk, same);
    EXPECT_NEAR(network.sparsity(), 0.8, 0.01) << name;
    for (std::size_t l = 0; l < masks.size(); ++l) {
      const LayerWeights layer = network.layer_weights(l);
      EXPECT_EQ(layer.mask, masks[l]) << name;
      // The variance of a sum stays as it was: as many weights less, as much larger their squares.
      const auto active = static_cast<double>(std::count(masks[l].begin(), masks[l].end(), 1));
      const auto scale = static_cast<float>(std::sqrt(static_cast<double>(masks[l].size()) / active));
      for (std::size_t i = 0; i < masks[l].size(); ++i) {
        ASSERT_EQ(layer.weights[i], masks[l][i] != 0 ? scale * before[l].weights[i] : 0.0F) << name;
      }
    }
  }
}

TEST(SparsityMethod, MovesKeepEveryLayersSparsityAndGrowFromZero) {
  for (const char* name : {"set", "rigl"}) {
    const SparsityMethod method(config_of(name));
    RandomStream stream(3, "test");
    Network network = trained(method, stream);
    const auto counts = actives(network);
    for (const std::int64_t step : {1'200, 1'500, 1'800}) {
      const auto before = all_layers(network);
      method.change(network, step, random_gradients(network, stream), stream);
      EXPECT_EQ(actives(network), counts) << name;
      const double share = drop_share(step, 1'000, 2'000, 0.3);
      for (std::size_t l = 0; l < before.size(); ++l) {
        std::size_t grown = 0;
        std::size_t inactive = 0;
        const LayerWeights after = network.layer_weights(l);
        const Network::Moments moments = network.layer_moments(l);
        for (std::size_t i = 0; i < after.mask.size(); ++i) {
          if (after.mask[i] == 0) {
            ASSERT_EQ(after.weights[i], 0.0F);
          } else if (before[l].mask[i] == 0) {
            ASSERT_EQ(after.weights[i], 0.0F) << name << ": a grown weight starts at zero";
            ASSERT_EQ(moments.first[i], 0.0F);
            ASSERT_EQ(moments.second[i], 0.0F);
            ++grown;
          } else {
            ASSERT_EQ(after.weights[i], before[l].weights[i]);
          }
          inactive += before[l].mask[i] == 0 ? 1 : 0;
        }
        EXPECT_TRUE(same_bits(after.bias, before[l].bias));
        // No more can move than there are inactive weights to grow: ERK leaves few in a small layer.
        const double moved = std::min(share * static_cast<double>(counts[l]), static_cast<double>(inactive));
        EXPECT_NEAR(static_cast<double>(grown), moved, 1.0) << name << " layer " << l;
      }
    }
  }
}

TEST(SparsityMethod, RiglGrowsWhereTheGradientIsLargest) {
  const SparsityMethod method(config_of("rigl"));
  RandomStream stream(4, "test");
  Network network = trained(method, stream);
  const auto before = all_layers(network);
  const auto gradients = random_gradients(network, stream);
  method.change(network, 1'200, gradients, stream);
  const auto after = all_layers(network);
  float smallest_grown = 1e9F;
  float largest_left = 0;
  for (std::size_t i = 0; i < after[1].mask.size(); ++i) {  // the largest layer
    if (before[1].mask[i] != 0) continue;
    const float size = std::abs(gradients[1][i]);
    if (after[1].mask[i] != 0) {
      smallest_grown = std::min(smallest_grown, size);
    } else {
      largest_left = std::max(largest_left, size);
    }
  }
  EXPECT_GT(smallest_grown, largest_left);
}

TEST(SparsityMethod, PolynomialMasksOnlyShrinkAndArriveExactly) {
  Config config = config_of("polynomial");
  config.sparsity.distribution = "uniform";
  const SparsityMethod method(config);
  RandomStream stream(5, "test");
  Network network = trained(method, stream);
  for (const std::int64_t step : changes(method)) {
    for (std::size_t l = 0; l < network.layers().size(); ++l) {  // as if trained in between
      LayerWeights layer = network.layer_weights(l);
      for (std::size_t i = 0; i < layer.weights.size(); ++i) {
        if (layer.mask[i] != 0) layer.weights[i] = static_cast<float>(stream.normal());
      }
      network.set_layer(l, layer);
    }
    const auto before = all_layers(network);
    method.change(network, step, {}, stream);
    const double sparsity = polynomial_sparsity(step, 1'000, 2'000, 0.8);
    for (std::size_t l = 0; l < before.size(); ++l) {
      const LayerWeights after = network.layer_weights(l);
      const auto n = after.mask.size();
      EXPECT_EQ(n - network.layers()[l].active, static_cast<std::size_t>(sparsity * static_cast<double>(n) + 1e-9));
      for (std::size_t i = 0; i < n; ++i) ASSERT_LE(after.mask[i], before[l].mask[i]) << "what is pruned stays pruned";
    }
  }
}

// Units go whole: a hidden neuron has all its incoming weights or none, and without them nothing reads it.
TEST(SparsityMethod, PrunesWholeUnitsIfToldTo) {
  Config config = config_of("polynomial");
  config.sparsity.distribution = "uniform";
  config.sparsity.granularity = "unit";
  const SparsityMethod method(config);
  RandomStream stream(8, "test");
  Network network(small_plan(), true);
  network.initialize(stream);
  for (const std::int64_t step : changes(method)) {
    method.change(network, step, {}, stream);
    EXPECT_GE(network.sparsity(), polynomial_sparsity(step, 1'000, 2'000, 0.8) - 0.01);
    for (std::size_t l = 0; l + 1 < network.layers().size(); ++l) {
      const LayerWeights layer = network.layer_weights(l);
      const LayerWeights next = network.layer_weights(l + 1);
      const std::size_t units = network.spec().layers[l].out;
      const std::size_t row = network.spec().layers[l].row_size();
      for (std::size_t u = 0; u < units; ++u) {
        std::size_t read = 0;
        for (std::size_t o = 0; o < network.spec().layers[l + 1].out; ++o) read += next.mask[o * units + u];
        std::size_t incoming = 0;
        for (std::size_t i = 0; i < row; ++i) incoming += layer.mask[u * row + i];
        EXPECT_EQ(read == 0, incoming == 0) << "layer " << l << " unit " << u;
      }
    }
  }
}

TEST(SparsityMethod, CopiesAtTargetUpdatesOnlyForEaudeAndDistill) {
  RandomStream stream(6, "test");
  for (const char* name : {"dense", "polynomial", "static", "set", "rigl"}) {
    EXPECT_EQ(SparsityMethod(config_of(name)).copy_sparsity(0.3, 1'500, stream), std::nullopt) << name;
    EXPECT_FALSE(SparsityMethod(config_of(name)).prunes_selected()) << name;
  }
  const SparsityMethod distill(config_of("distill"));
  EXPECT_EQ(distill.copy_sparsity(0.3, 1'000, stream), 0.0);
  EXPECT_EQ(distill.copy_sparsity(0.3, 1'500, stream), 0.8 * 0.875);
  EXPECT_EQ(distill.copy_sparsity(0.3, 2'000, stream), 0.8);
  EXPECT_TRUE(distill.prunes_selected());
  EXPECT_EQ(stream.position(), 0U);
  const SparsityMethod eaude(config_of("eaude"));
  const auto sparsity = eaude.copy_sparsity(0.3, 1'500, stream);
  EXPECT_GE(*sparsity, 0.3);
  EXPECT_LE(*sparsity, 0.35) << "max_speed";
  EXPECT_FALSE(eaude.prunes_selected());
  EXPECT_GT(stream.position(), 0U);
}

TEST(Distill, TheOnlineNetworkBecomesAPrunedCopyOfTheTarget) {
  Config config = config_of("distill");
  Population population(small_plan(), config);
  RandomStream stream(7, "test");
  set_trained_state(population.network(0), 1.0, stream);
  const auto before = all_layers(population.network(0));
  add_losses(population, {1});
  const TargetUpdate update = population.update_target(1'500);
  EXPECT_TRUE(same_bits(all_layers(population.target()), before));
  EXPECT_EQ(update.sparsity, 0.0);
  EXPECT_NEAR(population.network(0).sparsity(), 0.7, 0.01);
  Network expected(small_plan(), false);
  copy_pruned(population.target(), 0.8 * 0.875, Distribution::erk, expected);
  EXPECT_TRUE(same_bits(population.network(0), expected));
}

}  // namespace
}  // namespace eaudeqn

// Structured pruning: a worked example, what it promises on whole networks of every kind, and that removed units do not
// reach the outputs.
#include "sparsity/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/random.h"
#include "eaudeqn/error.h"
#include "engine/kernels/reference.h"
#include "engine/test_network.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;

using Mask = std::vector<std::uint8_t>;

struct Layers {
  NetworkSpec spec;
  std::vector<UnitClass> classes;
  std::vector<std::vector<float>> weights, biases;
  std::vector<Mask> masks;

  explicit Layers(const Architecture& architecture, RandomStream& stream)
      : spec(make_network_spec(architecture)), classes(unit_classes(spec)) {
    for (const LayerSpec& layer : spec.layers) {
      weights.emplace_back(layer.weights());
      for (float& weight : weights.back()) weight = static_cast<float>(stream.normal());
      biases.emplace_back(layer.out);
      for (float& bias : biases.back()) bias = static_cast<float>(stream.normal());
      masks.emplace_back(layer.weights(), std::uint8_t{1});
    }
  }

  std::vector<PrunableLayer> views() const {
    std::vector<PrunableLayer> all;
    for (std::size_t l = 0; l < masks.size(); ++l) all.push_back({spec.layers[l].shape(), weights[l], masks[l]});
    return all;
  }
  void prune(double sparsity, Distribution distribution) {
    masks = unit_masks(views(), classes, sparsity, distribution);
    for (std::size_t l = 0; l < masks.size(); ++l) {
      for (std::size_t i = 0; i < masks[l].size(); ++i) weights[l][i] *= masks[l][i];
    }
  }
};

TEST(UnitMasks, RemoveTheUnitWithTheSmallestIncomingNorm) {
  Architecture small;
  small.kind = "mlp";
  small.hidden = {3};
  small.input = {2};
  small.outputs = 2;
  RandomStream stream(1, "test");
  Layers layers(small, stream);
  layers.weights = {{3, 4, 0, -2, 1, 1}, {9, 9, 9, 9, 9, 9}};  // norms 5, 2, sqrt 2
  EXPECT_THAT(unit_masks(layers.views(), layers.classes, 0.0, Distribution::uniform)[0], ElementsAre(1, 1, 1, 1, 1, 1));
  const auto one = unit_masks(layers.views(), layers.classes, 0.1, Distribution::uniform);
  EXPECT_THAT(one[0], ElementsAre(1, 1, 1, 1, 0, 0)) << "at least one of twelve weights";
  EXPECT_THAT(one[1], ElementsAre(1, 1, 0, 1, 1, 0)) << "and what the outputs read of it";
  const auto two = unit_masks(layers.views(), layers.classes, 0.5, Distribution::global);
  EXPECT_THAT(two[0], ElementsAre(1, 1, 0, 0, 0, 0));
  EXPECT_EQ(unit_masks(layers.views(), layers.classes, 1.0, Distribution::uniform), two) << "the last unit stays";
  EXPECT_THROW(unit_masks(layers.views(), layers.classes, 0.5, Distribution::erk), Error);
  layers.weights[0][4] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(unit_masks(layers.views(), layers.classes, 0.1, Distribution::uniform)[0], ElementsAre(1, 1, 0, 0, 1, 1));
}

class UnitsOfNetworks : public testing::TestWithParam<std::string> {};

TEST_P(UnitsOfNetworks, GoWholeAndNestedAndNoFurtherThanOneUnitBeyondTheSparsity) {
  RandomStream stream(2, "test");
  for (const auto distribution : {Distribution::uniform, Distribution::global}) {
    Layers layers(small_network(GetParam()), stream);
    double before = 0;
    for (const double sparsity : {0.1, 0.3, 0.3, 0.7, 0.9}) {
      const auto old = layers.masks;
      layers.prune(sparsity, distribution);
      const double reached = overall_sparsity(layers.masks);
      EXPECT_GE(reached, sparsity - 1e-9);
      EXPECT_GE(reached, before);
      before = reached;
      for (std::size_t l = 0; l < old.size(); ++l) {
        for (std::size_t i = 0; i < old[l].size(); ++i) ASSERT_LE(layers.masks[l][i], old[l][i]);
      }
      // Every inactive weight belongs to a unit that is gone, and nothing of such a unit is active.
      std::vector<Mask> expected;
      for (const LayerSpec& layer : layers.spec.layers) expected.emplace_back(layer.weights(), std::uint8_t{1});
      const auto present = present_units(layers.views(), layers.classes);
      for (std::size_t c = 0; c < present.size(); ++c) {
        EXPECT_GE(std::count(present[c].begin(), present[c].end(), 1), 1);
        const UnitClass& units = layers.classes[c];
        for (std::size_t u = 0; u < units.units; ++u) {
          if (present[c][u] != 0) continue;
          for (const std::size_t l : units.producers) {
            const std::size_t row = layers.spec.layers[l].row_size();
            std::fill_n(expected[l].begin() + static_cast<std::ptrdiff_t>(u * row), row, 0);
          }
          for (const std::size_t l : units.consumers) {
            const std::size_t row = layers.spec.layers[l].row_size();
            const std::size_t width = row / units.units;
            for (std::size_t o = 0; o < layers.spec.layers[l].out; ++o) {
              std::fill_n(expected[l].begin() + static_cast<std::ptrdiff_t>(o * row + u * width), width, 0);
            }
          }
        }
      }
      EXPECT_EQ(layers.masks, expected) << GetParam() << " at " << sparsity;
    }
    EXPECT_EQ(unit_masks(layers.views(), layers.classes, 0.5, distribution), layers.masks) << "sparser already";
  }
}

TEST_P(UnitsOfNetworks, UniformTakesTheSameShareOfEveryClass) {
  RandomStream stream(3, "test");
  Layers layers(small_network(GetParam()), stream);
  layers.prune(0.6, Distribution::uniform);
  const auto present = present_units(layers.views(), layers.classes);
  double smallest = 1, largest = 0;
  for (const Mask& mask : present) {
    const double share =
        static_cast<double>(std::count(mask.begin(), mask.end(), 1)) / static_cast<double>(mask.size());
    smallest = std::min(smallest, share);
    largest = std::max(largest, share);
  }
  EXPECT_LE(largest - smallest, 1.0 / 8 + 1e-9) << "but for one unit of the smallest class";
}

// The bias of a removed unit is the only thing left of it: no output depends on that.
TEST_P(UnitsOfNetworks, NothingOfARemovedUnitReachesTheOutputs) {
  RandomStream stream(4, "test");
  Layers layers(small_network(GetParam()), stream);
  layers.prune(0.5, Distribution::uniform);
  std::vector<double> input(layers.spec.tensors[0].elements());
  for (double& value : input) value = stream.uniform();
  const auto run = [&] {
    std::vector<std::vector<double>> weights, biases;
    for (const auto& layer : layers.weights) weights.emplace_back(layer.begin(), layer.end());
    for (const auto& layer : layers.biases) biases.emplace_back(layer.begin(), layer.end());
    return reference::run(layers.spec, weights, biases, input).back();
  };
  const auto before = run();
  const auto present = present_units(layers.views(), layers.classes);
  std::size_t changed = 0;
  for (std::size_t c = 0; c < present.size(); ++c) {
    for (const std::size_t l : layers.classes[c].producers) {
      for (std::size_t u = 0; u < present[c].size(); ++u) {
        if (present[c][u] == 0) layers.biases[l][u] += 100.0F, ++changed;
      }
    }
  }
  EXPECT_GT(changed, 5U);
  EXPECT_EQ(run(), before);
}

INSTANTIATE_TEST_SUITE_P(Kinds, UnitsOfNetworks, testing::Values("mlp", "nature", "impala"));

}  // namespace
}  // namespace eaudeqn

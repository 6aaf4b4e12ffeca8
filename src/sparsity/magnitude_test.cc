// Which weights a pruned copy keeps: worked examples, the promised properties on random networks, and agreement with a
// reference that sorts everything.
#include "sparsity/magnitude.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

using ::testing::ElementsAre;
using Mask = std::vector<std::uint8_t>;
using Shape = std::vector<std::size_t>;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Layer {
  Shape shape;
  std::vector<float> weights;
  Mask mask;
};

Layer dense_row(std::vector<float> weights) {
  const std::size_t n = weights.size();
  return {{1, n}, std::move(weights), Mask(n, 1)};
}

std::vector<Mask> prune(const std::vector<Layer>& layers, double sparsity,
                        Distribution distribution = Distribution::uniform) {
  std::vector<PrunableLayer> views;
  for (const Layer& layer : layers) views.push_back({layer.shape, layer.weights, layer.mask});
  return magnitude_masks(views, sparsity, distribution);
}

std::size_t zeros(const Mask& mask) { return static_cast<std::size_t>(std::count(mask.begin(), mask.end(), 0)); }

// ---- Worked examples ----

TEST(MagnitudeMasks, PrunesTheSmallestBySizeWhateverTheSign) {
  EXPECT_THAT(prune({dense_row({0.5f, -0.1f, 2.0f, -3.0f})}, 0.5)[0], ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(prune({dense_row({-3.0f, 0.2f, -0.1f, 0.3f})}, 0.25)[0], ElementsAre(1, 1, 0, 1));
}

TEST(MagnitudeMasks, PrunesLowerIndicesFirstAmongEquals) {
  EXPECT_THAT(prune({dense_row({1, -1, 1, -1, 1})}, 0.4)[0], ElementsAre(0, 0, 1, 1, 1));
  EXPECT_THAT(prune({dense_row({1, 2, 1, 0.5f, -1})}, 0.4)[0], ElementsAre(0, 1, 1, 0, 1));
  EXPECT_THAT(prune({dense_row({0.0f, -0.0f, 0.0f})}, 0.34)[0], ElementsAre(0, 1, 1)) << "-0 equals 0";
}

TEST(MagnitudeMasks, InactiveEntriesGoBeforeActiveZeros) {
  Layer layer = dense_row({0, 0, 0, 0});
  layer.mask = {1, 1, 0, 1};
  EXPECT_THAT(prune({layer}, 0.25)[0], ElementsAre(1, 1, 0, 1));
  EXPECT_THAT(prune({layer}, 0.5)[0], ElementsAre(0, 1, 0, 1));
}

TEST(MagnitudeMasks, ALayerThatIsAlreadySparserKeepsItsMask) {
  Layer sparse = dense_row({0, 0, 0, 4});
  sparse.mask = {0, 0, 0, 1};
  for (const double sparsity : {0.0, 0.5, 0.75}) {
    EXPECT_THAT(prune({sparse, dense_row({4, 3, 2, 1})}, sparsity)[0], ElementsAre(0, 0, 0, 1)) << sparsity;
  }
}

TEST(MagnitudeMasks, NoLayerIsEmptied) {
  for (const auto distribution : {Distribution::uniform, Distribution::erk, Distribution::global}) {
    const auto masks = prune({dense_row({1, 3, 2}), dense_row({9, 9, 9, 9}), dense_row({5})}, 1.0, distribution);
    EXPECT_THAT(masks[0], ElementsAre(0, 1, 0));
    EXPECT_THAT(masks[1], ElementsAre(0, 0, 0, 1)) << "the last of equals stays";
    EXPECT_THAT(masks[2], ElementsAre(1));
  }
}

TEST(MagnitudeMasks, GlobalTakesFromOtherLayersWhatALayerMustKeep) {
  const auto masks = prune({dense_row({0.1f, 0.2f}), dense_row({1, 2, 3, 4})}, 0.5, Distribution::global);
  EXPECT_THAT(masks[0], ElementsAre(0, 1));
  EXPECT_THAT(masks[1], ElementsAre(0, 0, 1, 1));
}

TEST(MagnitudeMasks, GlobalBreaksTiesByLayerThenIndex) {
  const auto masks = prune({dense_row({1, 1, 1}), dense_row({1, 1, 1})}, 0.5, Distribution::global);
  EXPECT_THAT(masks[0], ElementsAre(0, 0, 1));
  EXPECT_THAT(masks[1], ElementsAre(0, 1, 1));
}

TEST(MagnitudeMasks, NaNAndInfinityCountAsLargest) {
  EXPECT_THAT(prune({dense_row({kNaN, 1, kInfinity, 2})}, 0.5)[0], ElementsAre(1, 0, 1, 0));
  EXPECT_THAT(prune({dense_row({kNaN, kInfinity, -kInfinity, 2})}, 0.75)[0], ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(
      prune({dense_row({-kNaN, std::bit_cast<float>(0x7fffffffu), std::bit_cast<float>(0x7f800001u)})}, 0.67)[0],
      ElementsAre(0, 0, 1))
      << "all NaNs are equal";
}

TEST(MagnitudeMasks, CountsAreNotSpoiledByRounding) {
  const auto pruned_of = [](double share, std::size_t n) {
    std::vector<float> weights(n);
    std::iota(weights.begin(), weights.end(), 1.0f);
    return zeros(prune({dense_row(std::move(weights))}, share)[0]);
  };
  EXPECT_EQ(pruned_of(0.3, 10), 3u);
  EXPECT_EQ(pruned_of(0.29, 100), 29u);  // 0.29 * 100 is 28.999999999999996
  EXPECT_EQ(pruned_of(1.0 - 0.9, 10), 1u);
  EXPECT_EQ(pruned_of(0.1 + 0.2, 10), 3u);
  EXPECT_EQ(pruned_of(0.299999, 10), 2u);
  EXPECT_EQ(pruned_of(0.0, 10), 0u);
  for (std::size_t n = 1; n <= 300; ++n) {
    for (std::size_t k = 0; k < n; ++k)
      ASSERT_EQ(pruned_of(static_cast<double>(k) / static_cast<double>(n), n), k) << n;
  }
}

TEST(MagnitudeMasks, AcceptsEmptyNetworksLayersAndMasks) {
  EXPECT_TRUE(prune({}, 0.5).empty());
  EXPECT_TRUE(prune({{{0, 3}, {}, {}}}, 0.5)[0].empty());
  EXPECT_THAT(prune({{{1, 2}, {0, 0}, {0, 0}}}, 0.5)[0], ElementsAre(0, 0));
}

TEST(MagnitudeMasks, RefusesWeightsThatDoNotMatchTheShape) {
  EXPECT_THROW(prune({{{2, 3}, {1, 2, 3}, {1, 1, 1}}}, 0.5), Error);
  EXPECT_THROW(prune({{{1, 3}, {1, 2, 3}, {1, 1}}}, 0.5), Error);
}

// ---- Properties on random networks ----

class RandomNetworks {
 public:
  std::vector<Layer> next() {
    std::vector<Layer> layers(1 + random_() % 4);
    // Few distinct magnitudes make ties common; the kinds also cover special values and a wide range of exponents.
    const unsigned kind = random_() % 4;
    for (Layer& layer : layers) {
      layer.shape = {1 + random_() % 6, 1 + random_() % 9};
      if (random_() % 2 == 0) layer.shape.insert(layer.shape.end(), {1 + random_() % 3, 1 + random_() % 3});
      const std::size_t n =
          std::accumulate(layer.shape.begin(), layer.shape.end(), std::size_t{1}, std::multiplies<>());
      const double active = random_() % 3 == 0 ? 1.0 : share();
      for (std::size_t i = 0; i < n; ++i) {
        layer.mask.push_back(share() < active ? 1 : 0);
        layer.weights.push_back(layer.mask.back() != 0 ? weight(kind) : 0.0f);
      }
    }
    return layers;
  }
  double share() { return static_cast<double>(random_()) / 4294967296.0; }

 private:
  float weight(unsigned kind) {
    const float sign = random_() % 2 == 0 ? 1.0f : -1.0f;
    if (kind == 0) return sign * static_cast<float>(random_() % 4);
    if (kind == 1) return sign * static_cast<float>(share());
    if (kind == 2)
      return random_() % 8 == 0 ? sign * (random_() % 2 == 0 ? kNaN : kInfinity) : static_cast<float>(share());
    return sign * std::ldexp(static_cast<float>(share()), static_cast<int>(random_() % 200) - 140);  // denormals too
  }
  std::mt19937 random_{11};
};

constexpr int kCases = 3'000;
constexpr Distribution kDistributions[] = {Distribution::uniform, Distribution::erk, Distribution::global};

bool nan_last_less(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return std::fabs(a) < std::fabs(b);
}

// Sorts all entries of `group` and prunes from the front; the largest active entry of each layer is set aside first.
void reference_prune(const std::vector<const Layer*>& group, const std::vector<Mask*>& masks, double share) {
  struct Entry {
    std::size_t layer, index;
    float weight;
  };
  std::vector<Entry> order;
  std::size_t n = 0, inactive = 0;
  for (std::size_t l = 0; l < group.size(); ++l) {
    std::vector<Entry> active;
    for (std::size_t i = 0; i < group[l]->mask.size(); ++i) {
      if (group[l]->mask[i] != 0) active.push_back({l, i, group[l]->weights[i]});
    }
    n += group[l]->mask.size();
    inactive += group[l]->mask.size() - active.size();
    std::stable_sort(active.begin(), active.end(),
                     [](const Entry& a, const Entry& b) { return nan_last_less(a.weight, b.weight); });
    if (!active.empty()) active.pop_back();
    order.insert(order.end(), active.begin(), active.end());
  }
  std::stable_sort(order.begin(), order.end(), [](const Entry& a, const Entry& b) {
    if (nan_last_less(a.weight, b.weight)) return true;
    if (nan_last_less(b.weight, a.weight)) return false;
    return a.layer != b.layer ? a.layer < b.layer : a.index < b.index;
  });
  const double product = share * static_cast<double>(n);
  const double nearest = std::round(product);
  const double wanted = std::fabs(product - nearest) < 1e-12 * static_cast<double>(n) ? nearest : std::floor(product);
  for (std::size_t i = 0; i < order.size() && static_cast<double>(inactive + i) < wanted; ++i) {
    (*masks[order[i].layer])[order[i].index] = 0;
  }
}

std::vector<Mask> reference_masks(const std::vector<Layer>& layers, double sparsity, Distribution distribution) {
  std::vector<Mask> masks;
  std::vector<Shape> shapes;
  for (const Layer& layer : layers) {
    masks.push_back(layer.mask);
    shapes.push_back(layer.shape);
  }
  if (distribution == Distribution::global) {
    std::vector<const Layer*> group;
    std::vector<Mask*> outputs;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      group.push_back(&layers[l]);
      outputs.push_back(&masks[l]);
    }
    reference_prune(group, outputs, sparsity);
    return masks;
  }
  const auto shares = layer_sparsities(shapes, sparsity, distribution);
  for (std::size_t l = 0; l < layers.size(); ++l) reference_prune({&layers[l]}, {&masks[l]}, shares[l]);
  return masks;
}

TEST(MagnitudeMasks, AgreeWithAFullSort) {
  RandomNetworks networks;
  for (int i = 0; i < kCases; ++i) {
    const auto layers = networks.next();
    const double sparsity = networks.share();
    for (const auto distribution : kDistributions) {
      ASSERT_EQ(prune(layers, sparsity, distribution), reference_masks(layers, sparsity, distribution)) << "case " << i;
    }
  }
}

TEST(MagnitudeMasks, AreNestedKeepALayerAliveAndHoldExactCounts) {
  RandomNetworks networks;
  for (int c = 0; c < kCases; ++c) {
    const auto layers = networks.next();
    const double sparsity = networks.share();
    for (const auto distribution : kDistributions) {
      const auto masks = prune(layers, sparsity, distribution);
      std::vector<Shape> shapes;
      for (const Layer& layer : layers) shapes.push_back(layer.shape);
      for (std::size_t l = 0; l < layers.size(); ++l) {
        const std::size_t n = layers[l].mask.size(), before = zeros(layers[l].mask), after = zeros(masks[l]);
        ASSERT_EQ(masks[l].size(), n);
        for (std::size_t i = 0; i < n; ++i) ASSERT_LE(masks[l][i], layers[l].mask[i]) << "case " << c;
        if (before < n) {
          ASSERT_LT(after, n) << "case " << c;
        }
        if (distribution == Distribution::global) continue;
        const double share = layer_sparsities(shapes, sparsity, distribution)[l];
        const auto wanted = static_cast<std::size_t>(std::floor(share * static_cast<double>(n) + 1e-9));
        ASSERT_EQ(after, std::max(before, std::min(wanted, n - 1))) << "case " << c;
      }
    }
  }
}

TEST(MagnitudeMasks, NeverReviveAWeightOnAPathOfGrowingSparsity) {
  RandomNetworks networks;
  for (int c = 0; c < 300; ++c) {
    const auto layers = networks.next();
    for (const auto distribution : kDistributions) {
      auto former = prune(layers, 0.0, distribution);
      for (int step = 1; step <= 20; ++step) {
        auto next = prune(layers, step / 20.0, distribution);
        for (std::size_t l = 0; l < next.size(); ++l) {
          for (std::size_t i = 0; i < next[l].size(); ++i) ASSERT_LE(next[l][i], former[l][i]);
        }
        former = std::move(next);
      }
    }
  }
}

TEST(MagnitudeMasks, GlobalReachesTheOverallSparsityExactly) {
  RandomNetworks networks;
  for (int c = 0; c < kCases; ++c) {
    auto layers = networks.next();
    std::size_t n = 0;
    for (Layer& layer : layers) {
      layer.mask.assign(layer.mask.size(), 1);
      n += layer.mask.size();
    }
    const double sparsity = networks.share();
    const auto wanted = static_cast<std::size_t>(std::floor(sparsity * static_cast<double>(n)));
    const auto masks = prune(layers, sparsity, Distribution::global);
    const double expected = static_cast<double>(std::min(wanted, n - layers.size())) / static_cast<double>(n);
    ASSERT_DOUBLE_EQ(overall_sparsity(masks), expected) << "case " << c;
  }
}

// ---- Distributions ----

TEST(LayerSparsities, UniformIsTheSameEverywhere) {
  const std::vector<Shape> shapes = {{3, 4}, {5, 6, 7, 8}};
  EXPECT_THAT(layer_sparsities(shapes, 0.7, Distribution::uniform), ElementsAre(0.7, 0.7));
}

// Budget 0.5 * 102 = 51 entries. Raw densities 20/100 and 3/2; the second exceeds 1, is capped at its 2 entries, and
// the first gets the other 49 of its 100.
TEST(LayerSparsities, ErkCapsSmallLayersAtDense) {
  const auto sparsities = layer_sparsities(std::vector<Shape>{{10, 10}, {2, 1}}, 0.5, Distribution::erk);
  EXPECT_NEAR(sparsities[0], 0.51, 1e-15);
  EXPECT_EQ(sparsities[1], 0.0);
}

// The nature network with 512 features and 6 actions; figures from exact fractions, one capped layer at a time.
TEST(LayerSparsities, ErkOfTheNatureNetwork) {
  const std::vector<Shape> shapes = {{32, 4, 8, 8}, {64, 32, 4, 4}, {64, 64, 3, 3}, {512, 7744}, {6, 512}};
  const auto expect = [&](double sparsity, const std::vector<double>& expected) {
    EXPECT_THAT(layer_sparsities(shapes, sparsity, Distribution::erk),
                ::testing::Pointwise(::testing::DoubleNear(1e-12), expected));
  };
  expect(0.5, {0.0, 0.2483370614551448, 0.13912107893153336, 0.5068555927665032, 0.0});
  expect(0.95, {0.8520272642171777, 0.9260136321085888, 0.9152634760901787, 0.9514596747209559, 0.0});
  expect(0.99, {0.9716664827890557, 0.9858332413945278, 0.9837748234774933, 0.9907055976599827, 0.24734554280670787});
}

TEST(LayerSparsities, ErkReachesTheOverallDensityAndStaysWithinZeroAndOne) {
  RandomNetworks networks;
  for (int c = 0; c < kCases; ++c) {
    std::vector<Shape> shapes;
    for (const Layer& layer : networks.next()) shapes.push_back(layer.shape);
    const double sparsity = c == 0 ? 0.0 : c == 1 ? 1.0 : networks.share();
    const auto sparsities = layer_sparsities(shapes, sparsity, Distribution::erk);
    double total = 0, removed = 0;
    for (std::size_t l = 0; l < shapes.size(); ++l) {
      ASSERT_GE(sparsities[l], 0.0);
      ASSERT_LE(sparsities[l], 1.0);
      const double n = std::accumulate(shapes[l].begin(), shapes[l].end(), 1.0, std::multiplies<>());
      total += n;
      removed += n * sparsities[l];
    }
    ASSERT_NEAR(removed / total, sparsity, 1e-12) << "case " << c;
  }
}

TEST(LayerSparsities, GlobalIsNotDefinedPerLayer) {
  EXPECT_THROW(layer_sparsities(std::vector<Shape>{{2, 2}}, 0.5, Distribution::global), Error);
}

TEST(ParseDistribution, KnowsItsThreeNames) {
  EXPECT_EQ(parse_distribution("uniform"), Distribution::uniform);
  EXPECT_EQ(parse_distribution("erk"), Distribution::erk);
  EXPECT_EQ(parse_distribution("global"), Distribution::global);
  try {
    parse_distribution("Uniform");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::usage);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("uniform, erk or global"));
  }
}

TEST(OverallSparsity, IsTheShareOfInactiveEntriesOfAllLayers) {
  EXPECT_EQ(overall_sparsity(std::vector<Mask>{{1, 0}, {0, 0, 1, 1, 1, 1}}), 0.375);
  EXPECT_EQ(overall_sparsity(std::vector<Mask>{}), 0.0);
}

}  // namespace
}  // namespace eaudeqn

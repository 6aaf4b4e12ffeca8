// Random masks and the moves of SET and RigL: worked examples, and what they promise on random layers.
#include "sparsity/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Mask = std::vector<std::uint8_t>;
using Shape = std::vector<std::size_t>;

const std::vector<Shape> kNature = {{32, 4, 8, 8}, {64, 32, 4, 4}, {64, 64, 3, 3}, {32, 7744}, {6, 32}};

struct Layer {
  Shape shape;
  std::vector<float> weights;
  Mask mask;
  operator PrunableLayer() const { return {shape, weights, mask}; }
};

Layer random_layer(std::size_t n, double density, RandomStream& stream) {
  Layer layer{{1, n}, std::vector<float>(n), Mask(n)};
  for (std::size_t i = 0; i < n; ++i) {
    layer.mask[i] = i == 0 || stream.uniform() < density ? 1 : 0;
    // Few values, so that there are ties.
    layer.weights[i] = layer.mask[i] != 0 ? static_cast<float>(stream.below(20)) - 10.0F : 0.0F;
  }
  return layer;
}

std::size_t zeros(const Mask& mask) { return static_cast<std::size_t>(std::count(mask.begin(), mask.end(), 0)); }

TEST(RandomMasks, HaveExactlyTheZerosOfTheirDistribution) {
  RandomStream stream(1, "test");
  for (const auto distribution : {Distribution::uniform, Distribution::erk}) {
    for (const double sparsity : {0.0, 0.3, 0.9, 0.99}) {
      const auto shares = layer_sparsities(kNature, sparsity, distribution);
      const auto masks = random_masks(kNature, sparsity, distribution, stream);
      for (std::size_t l = 0; l < masks.size(); ++l) {
        const auto n = static_cast<double>(masks[l].size());
        EXPECT_NEAR(static_cast<double>(zeros(masks[l])), std::floor(shares[l] * n), 1) << l << " at " << sparsity;
      }
      EXPECT_NEAR(overall_sparsity(masks), sparsity, 1e-4);
    }
  }
}

TEST(RandomMasks, AreEvenlySpreadAndDifferFromDrawToDraw) {
  const std::vector<Shape> shapes = {{10, 10}};
  RandomStream stream(2, "test");
  std::vector<int> active(100, 0);
  std::set<Mask> seen;
  constexpr int kDraws = 4'000;
  for (int i = 0; i < kDraws; ++i) {
    const Mask mask = random_masks(shapes, 0.7, Distribution::uniform, stream)[0];
    ASSERT_EQ(zeros(mask), 70U);
    for (std::size_t e = 0; e < 100; ++e) active[e] += mask[e];
    seen.insert(mask);
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kDraws));
  const double deviation = std::sqrt(kDraws * 0.3 * 0.7);
  for (const int count : active) EXPECT_NEAR(count, kDraws * 0.3, 5 * deviation);
}

TEST(RandomMasks, EmptyNoLayerAndRefuseGlobal) {
  const std::vector<Shape> shapes = {{1, 3}, {4, 5}};
  RandomStream stream(3, "test");
  for (const Mask& mask : random_masks(shapes, 1.0, Distribution::uniform, stream)) {
    EXPECT_EQ(zeros(mask), mask.size() - 1);
  }
  EXPECT_THROW(random_masks(shapes, 0.5, Distribution::global, stream), Error);
}

TEST(DropShare, IsHalfACosineThatHitsItsEndPointsExactly) {
  EXPECT_EQ(drop_share(0, 100, 900, 0.3), 0.3);
  EXPECT_EQ(drop_share(100, 100, 900, 0.3), 0.3);
  EXPECT_EQ(drop_share(900, 100, 900, 0.3), 0.0);
  EXPECT_EQ(drop_share(2'000, 100, 900, 0.3), 0.0);
  EXPECT_DOUBLE_EQ(drop_share(500, 100, 900, 0.3), 0.15);
  EXPECT_DOUBLE_EQ(drop_share(300, 100, 900, 0.5), 0.25 * (1 + std::sqrt(0.5)));
  for (std::int64_t step = 1; step <= 1'000; ++step) {
    EXPECT_LE(drop_share(step, 100, 900, 0.3), drop_share(step - 1, 100, 900, 0.3)) << step;
  }
}

TEST(RiglMove, DropsTheSmallestWeightsAndGrowsTheLargestGradients) {
  const Layer layer{{1, 8}, {0.5F, -0.1F, 2, -3, 0, 0, 0, 0}, {1, 1, 1, 1, 0, 0, 0, 0}};
  const std::vector<float> gradient = {100, 100, 100, 100, 1, -7, 3, 2};
  const Move one = rigl_move(layer, gradient, 0.25);
  EXPECT_THAT(one.dropped, ElementsAre(1));
  EXPECT_THAT(one.grown, ElementsAre(5)) << "by size, whatever the sign, and never a weight that was active";
  const Move two = rigl_move(layer, gradient, 0.5);
  EXPECT_THAT(two.dropped, ElementsAre(0, 1));
  EXPECT_THAT(two.grown, ElementsAre(5, 6));
  const Move ties = rigl_move(layer, std::vector<float>(8, 1.0F), 0.5);
  EXPECT_THAT(ties.grown, ElementsAre(4, 5)) << "the lower index of equals";
}

TEST(Moves, LeaveADenseLayerAlone) {
  const Layer dense{{1, 3}, {1, 2, 3}, {1, 1, 1}};
  RandomStream stream(4, "test");
  EXPECT_THAT(rigl_move(dense, dense.weights, 1.0).dropped, IsEmpty());
  EXPECT_THAT(set_move(dense, 1.0, stream).grown, IsEmpty());
}

void expect_sound(const Layer& layer, const Move& move, double share) {
  const std::size_t active = layer.mask.size() - zeros(layer.mask);
  EXPECT_EQ(move.dropped.size(), move.grown.size()) << "the sparsity is kept";
  EXPECT_EQ(move.dropped.size(), std::min({static_cast<std::size_t>(share * static_cast<double>(active) + 1e-9),
                                           zeros(layer.mask), active - 1}));
  EXPECT_TRUE(std::is_sorted(move.dropped.begin(), move.dropped.end()));
  EXPECT_TRUE(std::is_sorted(move.grown.begin(), move.grown.end()));
  EXPECT_EQ(std::set<std::size_t>(move.grown.begin(), move.grown.end()).size(), move.grown.size());
  std::set<std::size_t> gone(move.dropped.begin(), move.dropped.end());
  EXPECT_EQ(gone.size(), move.dropped.size());
  float largest_dropped = 0;
  for (const std::size_t i : move.dropped) {
    EXPECT_EQ(layer.mask[i], 1);
    largest_dropped = std::max(largest_dropped, std::abs(layer.weights[i]));
  }
  for (std::size_t i = 0; i < layer.mask.size(); ++i) {
    const bool stays = layer.mask[i] == 1 && gone.count(i) == 0;
    EXPECT_TRUE(!stays || std::abs(layer.weights[i]) >= largest_dropped) << i;
  }
  for (const std::size_t i : move.grown) EXPECT_EQ(layer.mask[i], 0) << "so the two sets are disjoint";
}

TEST(Moves, KeepTheirPromisesOnRandomLayers) {
  RandomStream stream(5, "test");
  for (int i = 0; i < 300; ++i) {
    const Layer layer = random_layer(1 + stream.below(200), stream.uniform(), stream);
    const double share = i % 10 == 0 ? 1.0 : stream.uniform();
    std::vector<float> gradient(layer.mask.size());
    for (float& value : gradient) value = static_cast<float>(stream.normal());
    expect_sound(layer, set_move(layer, share, stream), share);
    const Move move = rigl_move(layer, gradient, share);
    expect_sound(layer, move, share);
    if (move.grown.empty()) continue;
    float smallest_grown = std::abs(gradient[move.grown[0]]);
    for (const std::size_t e : move.grown) smallest_grown = std::min(smallest_grown, std::abs(gradient[e]));
    for (std::size_t e = 0; e < gradient.size(); ++e) {
      const bool grown = std::binary_search(move.grown.begin(), move.grown.end(), e);
      const bool passed_over = layer.mask[e] == 0 && !grown;
      EXPECT_TRUE(!passed_over || std::abs(gradient[e]) <= smallest_grown) << e;
    }
  }
}

TEST(SetMove, GrowsEveryInactiveEntryEquallyOften) {
  Layer layer{{1, 20}, std::vector<float>(20, 0.0F), Mask(20, 0)};
  for (std::size_t i = 0; i < 10; ++i) {
    layer.mask[i] = 1;
    layer.weights[i] = 1.0F + static_cast<float>(i);
  }
  RandomStream stream(6, "test");
  std::vector<int> grown(20, 0);
  constexpr int kDraws = 4'000;
  for (int i = 0; i < kDraws; ++i) {
    for (const std::size_t e : set_move(layer, 0.3, stream).grown) ++grown[e];
  }
  const double deviation = std::sqrt(kDraws * 0.3 * 0.7);
  for (std::size_t e = 10; e < 20; ++e) EXPECT_NEAR(grown[e], kDraws * 0.3, 5 * deviation);
}

}  // namespace
}  // namespace eaudeqn

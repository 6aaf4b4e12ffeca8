// The streams of the generated C say what the policy says, in the smaller form; its memory is reused but never shared.
#include "deploy/c_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "deploy/quantize.h"
#include "deploy/test_policy.h"

namespace eaudeqn {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

NetworkSpec spec_of(const Policy& policy) {
  return make_network_spec(architecture_from_json(policy.metadata.at("architecture")));
}

// What a program makes of a layer's streams: all its entries, by row and place.
std::vector<float> expand(const CLayer& layer, std::size_t rows, std::size_t places) {
  std::vector<float> all(rows * places, 0.0F);
  const auto weight = [&](std::size_t i) {
    return layer.integers.empty() ? layer.weights[i] : static_cast<float>(layer.integers[i]);
  };
  if (!layer.gapped) {
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = weight(i);
    return all;
  }
  std::size_t at = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    std::size_t place = 0;
    for (std::size_t n = 0; n < layer.counts[row]; ++n, ++at, ++place) {
      place += layer.gaps[at];
      if (weight(at) != 0.0F) all.at(row * places + place) = weight(at);
    }
  }
  EXPECT_EQ(at, layer.gaps.size());
  return all;
}

TEST(CLayers, AreTheLayersByInputsWhereTheyAreDenseAndByOutputsWhereTheyAreConvolutions) {
  for (const double sparsity : {0.05, 0.5, 0.9, 0.998}) {
    for (const bool int8 : {false, true}) {
      Policy policy = random_policy("nature", 64, sparsity, 3);
      if (int8) policy = quantize(policy);
      const NetworkSpec spec = spec_of(policy);
      for (std::size_t l = 0; l < policy.layers.size(); ++l) {
        const PolicyLayer& from = policy.layers[l];
        const LayerSpec& shape = spec.layers[l];
        const CLayer layer = make_c_layer(from, spec, l);
        const std::size_t rows = shape.convolution ? shape.out : shape.in;
        const std::size_t places = shape.weights() / rows;
        std::vector<float> expected(shape.weights(), 0.0F);
        const bool whole = !from.scales.empty();
        const auto integers = whole ? integers_of(from) : std::vector<std::int8_t>();
        for (std::size_t o = 0; o < shape.out; ++o) {
          for (std::size_t i = from.row_starts[o]; i < from.row_starts[o + 1]; ++i) {
            const std::size_t at = shape.convolution ? o * places + from.columns[i] : from.columns[i] * places + o;
            expected[at] = whole ? static_cast<float>(integers[i]) : from.values[i];
          }
        }
        ASSERT_EQ(expand(layer, rows, places), expected) << from.name << " at " << sparsity;
        EXPECT_TRUE(sparsity == 0.5 || layer.gapped == (sparsity > 0.5)) << from.name << " at " << sparsity;
      }
    }
  }
}

TEST(CLayers, AGapThatNoByteHoldsHasAWeightOfZeroInIt) {
  Architecture architecture;
  architecture.kind = "mlp";
  architecture.input = {1};
  architecture.outputs = 1000;
  const NetworkSpec spec = make_network_spec(architecture);
  PolicyLayer from{"dense1", {1000, 1}, {1.0F, 2.0F}, {0, 0}, {}, std::vector<float>(1000, 0.0F), {}};
  for (std::size_t row = 0; row <= 1000; ++row) from.row_starts.push_back(row <= 255 ? 0 : row <= 767 ? 1 : 2);
  const CLayer layer = make_c_layer(from, spec, 0);
  EXPECT_THAT(layer.gaps, ElementsAre(255, 255, 255));  // output 255; then 511, a zero; then 767
  EXPECT_THAT(layer.weights, ElementsAre(1.0F, 0.0F, 2.0F));
  EXPECT_THAT(layer.counts, ElementsAre(3));
}

TEST(CLayers, OfImagesTakeTheirInputsInTheOrderOfObservations) {
  Architecture architecture;
  architecture.kind = "mlp";
  architecture.input = {2, 1, 3};
  architecture.byte_input = true;
  architecture.outputs = 1;
  const NetworkSpec spec = make_network_spec(architecture);
  // (channel, column): 00 01 02 10 11 12
  const PolicyLayer from{"dense1", {1, 6}, {1, 2, 3, 4, 5, 6}, {0, 1, 2, 3, 4, 5}, {0, 6}, {0}, {}};
  const CLayer layer = make_c_layer(from, spec, 0);
  EXPECT_FALSE(layer.gapped);
  EXPECT_THAT(layer.weights, ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(layer.gaps, IsEmpty());
}

TEST(CWorkspace, TensorsInUseNeverShareMemoryAndTheRestIsReused) {
  for (const char* kind : {"nature", "impala", "mlp"}) {
    const NetworkSpec spec = spec_of(random_policy(kind, 64, 0.9, 1));
    const CWorkspace workspace = make_c_workspace(spec);
    std::size_t sum = 0;
    // Every tensor marks its memory when it is made, and finds its mark when it is read.
    std::vector<std::size_t> owner(workspace.size, 0);
    const auto owned = [&](std::size_t tensor) {
      const auto begin = owner.begin() + static_cast<std::ptrdiff_t>(workspace.offsets[tensor]);
      return std::all_of(begin, begin + static_cast<std::ptrdiff_t>(spec.tensors[tensor].elements()),
                         [&](std::size_t mark) { return mark == tensor; });
    };
    for (const Operation& operation : spec.operations) {
      if (operation.output + 1 < spec.tensors.size()) {
        const std::size_t size = spec.tensors[operation.output].elements();
        ASSERT_LE(workspace.offsets[operation.output] + size, workspace.size);
        std::fill_n(owner.begin() + static_cast<std::ptrdiff_t>(workspace.offsets[operation.output]), size,
                    operation.output);
        sum += size;
      }
      // Also after the output was marked: a result must not overwrite what it is computed from.
      EXPECT_TRUE(operation.input == 0 || owned(operation.input)) << kind;
      EXPECT_TRUE(operation.residual < 0 || owned(static_cast<std::size_t>(operation.residual))) << kind;
    }
    EXPECT_LT(workspace.size, sum + (spec.operations.size() < 4 ? 1 : 0)) << kind;
  }
}

}  // namespace
}  // namespace eaudeqn

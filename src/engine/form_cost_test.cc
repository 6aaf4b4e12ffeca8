// The choice between the forms of a layer: a pure function of shape and density, and invisible in the results.
#include "engine/form_cost.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/random.h"
#include "engine/kernels/cases.h"
#include "engine/passes.h"

namespace eaudeqn {
namespace {

const LayerSpec kConvolution{"convolution", 64, 64, 3, 3, true};
const LayerSpec kOfBytes{"convolution", 32, 4, 8, 8, true};
const LayerSpec kDense{"dense", 512, 7744, 1, 1, false};

TEST(FormCost, AFullLayerIsDenseAndASparseOneCompact) {
  EXPECT_FALSE(compact_is_cheaper(kConvolution, {121, true}, kConvolution.weights()));
  EXPECT_FALSE(compact_is_cheaper(kOfBytes, {441, true, true}, kOfBytes.weights()));
  EXPECT_TRUE(compact_is_cheaper(kOfBytes, {441, true, true}, kOfBytes.weights() / 10));
  EXPECT_FALSE(compact_is_cheaper(kDense, {1, true}, kDense.weights()));
  EXPECT_TRUE(compact_is_cheaper(kConvolution, {121, true}, kConvolution.weights() / 10));
  EXPECT_TRUE(compact_is_cheaper(kDense, {1, true}, kDense.weights() / 10));
  EXPECT_FALSE(compact_is_cheaper(kDense, {1, false}, kDense.weights()));
  EXPECT_TRUE(compact_is_cheaper(kDense, {1, false}, kDense.weights() / 10));
}

// A panel of 16 outputs costs the same whatever it holds; most last layers have fewer.
TEST(FormCost, ALayerOfOneOutputIsCompactEvenIfFull) {
  const LayerSpec value{"dense", 1, 256, 1, 1, false};
  EXPECT_TRUE(compact_is_cheaper(value, {1, false}, value.weights()));
  const double sixteen = dense_cost({"dense", 16, 256, 1, 1, false}, {1, false});
  EXPECT_NEAR(dense_cost(value, {1, false}), sixteen, 0.05 * sixteen) << "but for the beginnings of 15 rows";
}

TEST(FormCost, ThereIsOneCrossing) {
  for (const auto& [layer, positions] : {std::pair(kConvolution, 121), std::pair(kDense, 1)}) {
    bool cheaper = true;
    for (std::size_t percent = 0; percent <= 100; ++percent) {
      const bool now =
          compact_is_cheaper(layer, {static_cast<std::size_t>(positions), true}, layer.weights() * percent / 100);
      EXPECT_LE(now, cheaper) << layer.name << " at " << percent << " percent";
      cheaper = now;
    }
  }
}

// One layer behind a ReLU, half of its weights active, in either form.
struct Trained {
  std::vector<float> outputs, input_gradients, weights;
};
Trained train(bool convolution, LayerForm form) {
  constexpr std::size_t kBatch = 19;
  const NetworkSpec spec = one_layer(
      convolution ? LayerCase{5, 9, 7, 6, 3, 2, kBatch, 0.5} : LayerCase{90, 1, 1, 13, 1, 1, kBatch, 0.5}, true);
  const TensorShape &in = spec.tensors[1], &out = spec.tensors[2];
  const auto plan = std::make_shared<NetworkPlan>(spec);
  Network network(plan, true);
  RandomStream stream(4, "form_cost_test");
  LayerWeights layer = network.layer_weights(0);
  for (std::size_t i = 0; i < layer.weights.size(); ++i) {
    layer.mask[i] = stream.uniform() < 0.5 ? 1 : 0;
    layer.weights[i] = layer.mask[i] != 0 ? static_cast<float>(stream.uniform(-1, 1)) : 0.0F;
  }
  network.set_layer(0, layer, form);
  EXPECT_EQ(network.layers()[0].compact, form == LayerForm::compact);
  std::vector<float> inputs(kBatch * in.elements());
  for (float& value : inputs) value = static_cast<float>(stream.uniform(-1, 1));
  ThreadPool pool(2);
  InputTensor input(plan, kBatch);
  input.load(std::as_bytes(std::span(inputs)), kBatch, pool);
  Workspace workspace(plan, kBatch, true);
  workspace.set_input(input);
  const Pass pass{&network, &workspace};
  const TensorLayout gradients = workspace.gradient_layout(2);
  for (std::size_t c = 0; c < out.channels; ++c) {
    for (std::size_t y = 0; y < out.height; ++y) {
      for (std::size_t i = 0; i < out.width * kLanes; ++i) {
        workspace.gradient(2)[gradients.offset(c, y, 0) + i] = static_cast<float>(stream.uniform(-1, 1));
      }
    }
  }
  forward(std::span(&pass, 1), pool);
  backward(std::span(&pass, 1), pool);
  adam_step(std::span(&pass, 1), 1e-2, 1e-4, pool);
  const TensorLayout outputs = workspace.activation_layout(2);
  const TensorLayout ins = workspace.gradient_layout(1);
  return {{workspace.activation(2), workspace.activation(2) + outputs.size()},
          {workspace.gradient(1), workspace.gradient(1) + ins.size()},
          network.layer_weights(0).weights};
}

TEST(FormCost, CrossingItIsInvisibleWithinRounding) {
  for (const bool convolution : {true, false}) {
    const Trained dense = train(convolution, LayerForm::dense);
    const Trained compact = train(convolution, LayerForm::compact);
    EXPECT_EQ(dense.outputs, compact.outputs);  // the same chains of multiply-adds
    EXPECT_EQ(dense.input_gradients, compact.input_gradients);
    ASSERT_EQ(dense.weights.size(), compact.weights.size());
    for (std::size_t i = 0; i < dense.weights.size(); ++i) {
      EXPECT_NEAR(dense.weights[i], compact.weights[i], 2e-6) << "weight " << i;  // sums in another order, then Adam
    }
  }
}

}  // namespace
}  // namespace eaudeqn

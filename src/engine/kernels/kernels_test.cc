// Every kernel against its naive reference, over the case table: forward and input gradient bit for bit, the weight
// gradient against double precision and finite differences.
#include <gtest/gtest.h>

#include <cmath>

#include "core/random.h"
#include "engine/kernels/cases.h"
#include "engine/kernels/reference.h"
#include "engine/passes.h"

namespace eaudeqn {
namespace {

class LayerCases : public testing::TestWithParam<LayerCase> {
 protected:
  LayerCases()
      : c_(shortened(GetParam())),
        spec_(one_layer(c_, true)),
        plan_(std::make_shared<NetworkPlan>(spec_, c_.batch)),
        network_(plan_, true),
        workspace_(plan_, c_.batch, true),
        input_tensor_(plan_, c_.batch),
        pool_(2) {
    RandomStream stream(7, "kernels_test", c_.in * 31 + c_.batch);
    LayerWeights weights = network_.layer_weights(0);
    for (std::size_t i = 0; i < weights.weights.size(); ++i) {
      weights.mask[i] = stream.uniform() < c_.density || i == weights.weights.size() / 2;
      weights.weights[i] = weights.mask[i] ? static_cast<float>(stream.uniform(-1, 1)) : 0.0F;
    }
    for (float& bias : weights.bias) bias = static_cast<float>(stream.uniform(-1, 1));
    network_.set_layer(0, weights, c_.density <= 0.8 ? LayerForm::compact : LayerForm::dense);
    full_ = weights;
    const std::size_t elements = c_.in * c_.height * c_.width;
    inputs_.resize(c_.batch * elements);
    for (float& value : inputs_) value = static_cast<float>(stream.uniform(-1, 1));
    input_tensor_.load(std::as_bytes(std::span(inputs_)), c_.batch, pool_);
    workspace_.set_input(input_tensor_);
    const TensorShape& out = spec_.tensors[2];
    output_gradients_.resize(c_.batch * out.channels * out.height * out.width);
    for (float& value : output_gradients_) value = static_cast<float>(stream.uniform(-1, 1));
    const TensorLayout layout = workspace_.gradient_layout(2);
    for (std::size_t i = 0; i < output_gradients_.size(); ++i) {
      *element(workspace_.gradient(2), layout, out, i) = output_gradients_[i];
    }
    pass_ = {&network_, &workspace_};
    forward(std::span(&pass_, 1), pool_);
    backward(std::span(&pass_, 1), pool_);
  }

  // The layers of the nature network are here for timing; their reference would take seconds, so fewer outputs do.
  static LayerCase shortened(LayerCase c) {
    if (c.timed) c.out = 9;
    return c;
  }

  // Element i of the plain [B][C][H][W] array within the batch-innermost tensor.
  static float* element(float* tensor, const TensorLayout& layout, const TensorShape& shape, std::size_t i) {
    const std::size_t x = i % shape.width;
    const std::size_t y = i / shape.width % shape.height;
    const std::size_t c = i / (shape.width * shape.height) % shape.channels;
    const std::size_t b = i / (shape.width * shape.height * shape.channels);
    return tensor + b / layout.lanes * layout.block_pitch() + layout.offset(c, y, x) + b % layout.lanes;
  }

  template <typename T>
  std::vector<T> sample(const std::vector<float>& all, std::size_t b) const {
    const std::size_t size = all.size() / c_.batch;
    return {all.begin() + static_cast<std::ptrdiff_t>(b * size),
            all.begin() + static_cast<std::ptrdiff_t>((b + 1) * size)};
  }
  template <typename T>
  std::vector<T> activation(std::size_t b) const {  // tensor 1
    std::vector<T> values = sample<T>(inputs_, b);
    for (T& value : values) value = std::max(T(0), value);
    return values;
  }

  LayerCase c_;
  NetworkSpec spec_;
  std::shared_ptr<const NetworkPlan> plan_;
  Network network_;
  Workspace workspace_;
  InputTensor input_tensor_;
  ThreadPool pool_;
  Pass pass_;
  LayerWeights full_;
  std::vector<float> inputs_, output_gradients_;
};

TEST_P(LayerCases, ForwardEqualsTheReferenceBitForBit) {
  const TensorShape& out = spec_.tensors[2];
  const TensorLayout layout = workspace_.activation_layout(2);
  for (std::size_t b = 0; b < c_.batch; b += c_.timed ? 13 : 1) {
    const auto expected = reference::convolution(spec_.layers[0], c_.stride, spec_.tensors[1], out, full_.weights,
                                                 full_.bias, activation<float>(b));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(*element(workspace_.activation_for_writing(2), layout, out, b * expected.size() + i), expected[i])
          << "sample " << b << " element " << i;
    }
  }
}

TEST_P(LayerCases, InputGradientEqualsTheReferenceBitForBit) {
  const TensorShape& in = spec_.tensors[1];
  const TensorLayout layout = workspace_.gradient_layout(1);
  const std::size_t batch =
      output_gradients_.size() / (spec_.tensors[2].channels * spec_.tensors[2].height * spec_.tensors[2].width);
  for (std::size_t b = 0; b < batch; b += c_.timed ? 13 : 1) {
    const auto expected = reference::convolution_input_gradient(spec_.layers[0], c_.stride, in, spec_.tensors[2],
                                                                full_.weights, sample<float>(output_gradients_, b));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(*element(workspace_.gradient(1), layout, in, b * expected.size() + i), expected[i])
          << "sample " << b << " element " << i;
    }
  }
}

TEST_P(LayerCases, WeightGradientOfActiveWeightsEqualsDoublePrecision) {
  std::vector<double> weight_gradient(full_.weights.size(), 0.0), magnitude(full_.weights.size(), 0.0);
  std::vector<double> bias_gradient(c_.out, 0.0), bias_magnitude(c_.out, 0.0);
  for (std::size_t b = 0; b < c_.batch; ++b) {
    auto input = activation<double>(b);
    auto gradient = sample<double>(output_gradients_, b);
    reference::convolution_weight_gradient(spec_.layers[0], c_.stride, spec_.tensors[1], spec_.tensors[2], input,
                                           gradient, weight_gradient, bias_gradient);
    for (double& value : gradient) value = std::abs(value);
    reference::convolution_weight_gradient(spec_.layers[0], c_.stride, spec_.tensors[1], spec_.tensors[2], input,
                                           gradient, magnitude, bias_magnitude);
  }
  const Layer& layer = network_.layers()[0];
  // Rounding of a float sum is bounded by a few ulps of the sum of absolute terms (16 chains, pairwise at the end).
  const double ulps = 1e-6;
  std::vector<std::size_t> place_of(full_.weights.size());
  for (std::size_t i = 0; !layer.compact && i < place_of.size(); ++i) place_of[i] = network_.place(0, i);
  for (std::size_t at = 0; at < layer.positions.size(); ++at) place_of[layer.positions[at]] = at;
  for (std::size_t i = 0; i < full_.weights.size(); ++i) {
    if (!full_.mask[i]) {
      if (!layer.compact) {
        ASSERT_EQ(layer.gradient.data()[place_of[i]], 0.0F) << "an inactive weight has a gradient";
      }
      continue;
    }
    ASSERT_NEAR(layer.gradient.data()[place_of[i]], weight_gradient[i], ulps * magnitude[i] + 1e-12) << "weight " << i;
  }
  for (std::size_t o = 0; o < c_.out; ++o) {
    ASSERT_NEAR(layer.bias_gradient.data()[o], bias_gradient[o], ulps * bias_magnitude[o] + 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, LayerCases, testing::ValuesIn(layer_cases()),
                         [](const testing::TestParamInfo<LayerCase>& parameter) {
                           const LayerCase& c = parameter.param;
                           return std::to_string(parameter.index) + "_in" + std::to_string(c.in) + "x" +
                                  std::to_string(c.height) + "x" + std::to_string(c.width) + "_out" +
                                  std::to_string(c.out) + "_kernel" + std::to_string(c.kernel) + "_stride" +
                                  std::to_string(c.stride) + "_batch" + std::to_string(c.batch) + "_active" +
                                  std::to_string(static_cast<int>(c.density * 100)) + "percent";
                         });

}  // namespace
}  // namespace eaudeqn

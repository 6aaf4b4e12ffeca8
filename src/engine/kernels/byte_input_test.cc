// Convolutions that read a network's input as bytes (byte_input.h): forward bit for bit with the same definition in
// plain C++, the weight gradient against double precision on byte / 255.
#include "engine/kernels/byte_input.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/random.h"
#include "engine/kernels/cases.h"
#include "engine/kernels/reference.h"
#include "engine/passes.h"

namespace eaudeqn {
namespace {

const std::vector<LayerCase> kCases = {
    {1, 1, 1, 1, 3, 1, 1, 1.0},      {3, 7, 5, 4, 3, 1, 5, 1.0},     {3, 7, 5, 4, 3, 1, 5, 0.5},
    {2, 9, 13, 5, 4, 2, 32, 1.0},    {2, 9, 16, 5, 4, 2, 16, 0.3},   {2, 9, 33, 5, 5, 3, 17, 0.3},
    {4, 16, 20, 6, 8, 4, 33, 1.0},   {4, 16, 20, 6, 8, 4, 33, 0.1},  {4, 84, 84, 3, 8, 4, 32, 0.9},
    {4, 84, 84, 32, 8, 4, 32, 0.05}, {4, 84, 84, 16, 3, 1, 18, 0.2},
};

class ByteInput : public testing::TestWithParam<LayerCase> {
 protected:
  ByteInput()
      : plan_(std::make_shared<NetworkPlan>(one_layer(c_, false, true))),
        network_(plan_, true),
        workspace_(plan_, c_.batch, true),
        input_(plan_, c_.batch) {
    RandomStream stream(7, "byte_input_test", c_.in * 31 + c_.batch);
    full_ = network_.layer_weights(0);
    for (std::size_t i = 0; i < full_.weights.size(); ++i) {
      full_.mask[i] = stream.uniform() < c_.density || i == full_.weights.size() / 2;
      full_.weights[i] = full_.mask[i] ? static_cast<float>(stream.uniform(-1, 1)) : 0.0F;
    }
    for (float& bias : full_.bias) bias = static_cast<float>(stream.uniform(-1, 1));
    network_.set_layer(0, full_, c_.density <= 0.8 ? LayerForm::compact : LayerForm::dense);
    observations_.resize(c_.batch * c_.in * c_.height * c_.width);
    for (std::byte& value : observations_) value = static_cast<std::byte>(stream.below(256));
    input_.load(observations_, c_.batch, pool_);
    workspace_.set_input(input_);
    const TensorLayout layout = workspace_.gradient_layout(1);
    gradients_.resize(c_.batch * out().channels * out().height * out().width);
    for (std::size_t i = 0; i < gradients_.size(); ++i) {
      gradients_[i] = static_cast<float>(stream.uniform(-1, 1));
      workspace_.gradient(1)[place(layout, i)] = gradients_[i];
    }
    forward(std::span(&pass_, 1), pool_);
    backward(std::span(&pass_, 1), pool_);
  }

  const TensorShape& out() const { return plan_->spec.tensors[1]; }
  std::size_t place(const TensorLayout& layout, std::size_t i) const {
    const std::size_t area = out().height * out().width;
    const std::size_t b = i / (area * out().channels);
    return b / kLanes * layout.block_pitch() +
           layout.offset(i / area % out().channels, i % area / out().width, i % out().width) + b % kLanes;
  }
  template <typename T>
  std::vector<T> bytes_of(std::size_t b, T divisor) const {
    const std::size_t size = observations_.size() / c_.batch;
    std::vector<T> values(size);
    for (std::size_t i = 0; i < size; ++i) {
      values[i] = static_cast<T>(std::to_integer<int>(observations_[b * size + i])) / divisor;
    }
    return values;
  }

  LayerCase c_ = GetParam();
  std::shared_ptr<const NetworkPlan> plan_;
  Network network_;
  Workspace workspace_;
  InputTensor input_;
  ThreadPool pool_{2};
  Pass pass_{&network_, &workspace_};
  LayerWeights full_;
  std::vector<std::byte> observations_;
  std::vector<float> gradients_;
};

TEST_P(ByteInput, StaysBytes) {
  EXPECT_TRUE(plan_->byte_planes);
  EXPECT_EQ(input_.data(), nullptr);
}

TEST_P(ByteInput, ForwardIsTheScaledSumOfWholeNumbers) {
  const TensorLayout layout = workspace_.activation_layout(1);
  const std::vector<float> no_bias(c_.out, 0.0F);
  for (std::size_t b = 0; b < c_.batch; b += 7) {
    const auto sums = reference::convolution(plan_->spec.layers[0], c_.stride, plan_->spec.tensors[0], out(),
                                             full_.weights, no_bias, bytes_of<float>(b, 1.0F));
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const float expected = std::fma(sums[i], kByteScale, full_.bias[i / (out().height * out().width)]);
      ASSERT_EQ(workspace_.activation(1)[place(layout, b * sums.size() + i)], expected)
          << "sample " << b << " element " << i;
    }
  }
}

TEST_P(ByteInput, WeightGradientEqualsDoublePrecision) {
  std::vector<double> expected(full_.weights.size(), 0.0), magnitude(full_.weights.size(), 0.0);
  std::vector<double> bias(c_.out, 0.0), bias_magnitude(c_.out, 0.0);
  const std::size_t size = gradients_.size() / c_.batch;
  for (std::size_t b = 0; b < c_.batch; ++b) {
    std::vector<double> gradient(gradients_.begin() + static_cast<std::ptrdiff_t>(b * size),
                                 gradients_.begin() + static_cast<std::ptrdiff_t>((b + 1) * size));
    const auto input = bytes_of<double>(b, 255.0);
    reference::convolution_weight_gradient(plan_->spec.layers[0], c_.stride, plan_->spec.tensors[0], out(), input,
                                           gradient, expected, bias);
    for (double& value : gradient) value = std::abs(value);
    reference::convolution_weight_gradient(plan_->spec.layers[0], c_.stride, plan_->spec.tensors[0], out(), input,
                                           gradient, magnitude, bias_magnitude);
  }
  const Layer& layer = network_.layers()[0];
  const double ulps = 1e-6;  // as in kernels_test.cc
  for (std::size_t at = 0; at < (layer.compact ? layer.active : full_.weights.size()); ++at) {
    const std::size_t i = layer.compact ? layer.positions[at] : at;
    if (!full_.mask[i]) continue;
    ASSERT_NEAR(layer.gradient.data()[at], expected[i], ulps * magnitude[i] + 1e-12) << "weight " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, ByteInput, testing::ValuesIn(kCases));

TEST(ByteInputOfADenseLayer, BecomesFloats) {
  NetworkSpec spec;
  spec.architecture.input = {2, 2, 2};
  spec.architecture.byte_input = true;
  spec.tensors = {{2, 2, 2}, {1, 1, 1}};
  spec.layers.push_back({"layer", 1, 8, 1, 1, false});
  spec.operations.push_back({OperationKind::dense, 0, 1, 0, 1, false, -1});
  const auto plan = std::make_shared<NetworkPlan>(spec);
  EXPECT_FALSE(plan->byte_planes);
  InputTensor input(plan, 3);
  std::vector<std::byte> observations(24);
  for (std::size_t i = 0; i < observations.size(); ++i) observations[i] = static_cast<std::byte>(i * 10);
  ThreadPool pool(1);
  input.load(observations, 3, pool);
  for (std::size_t i = 0; i < 24; ++i) {
    EXPECT_EQ(input.data()[i % 8 * kLanes + i / 8], static_cast<float>(i * 10) / 255.0F);
  }
}

}  // namespace
}  // namespace eaudeqn

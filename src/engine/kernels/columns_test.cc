// Dense layers stored by input give the same bits as those stored by output, whatever the number of blocks; and one
// backward pass with Adam in it the same as two.
#include <gtest/gtest.h>

#include "core/random.h"
#include "engine/passes.h"
#include "engine/test_network.h"

namespace eaudeqn {
namespace {

// One network, and everything that a backward pass leaves behind.
class Subject {
 public:
  Subject(const Architecture& architecture, std::size_t usual_batch, std::size_t batch, double density)
      : plan_(std::make_shared<NetworkPlan>(make_network_spec(architecture), usual_batch)),
        network_(plan_, true),
        workspace_(plan_, batch, true),
        input_(plan_, batch) {
    RandomStream stream(3, "columns_test", batch);
    network_.initialize(stream);
    for (std::size_t l = 0; l < network_.layers().size(); ++l) {
      LayerWeights weights = network_.layer_weights(l);
      for (std::size_t i = 0; i < weights.weights.size(); ++i) {
        weights.mask[i] = stream.uniform() < density || i == 0 ? 1 : 0;
        if (weights.mask[i] == 0) weights.weights[i] = 0;
      }
      for (float& bias : weights.bias) bias = static_cast<float>(stream.uniform(-1, 1));
      network_.set_layer(l, weights, LayerForm::compact);
    }
    std::vector<float> observations(batch * plan_->spec.tensors[0].elements());
    for (float& value : observations) value = static_cast<float>(stream.uniform(-1, 1));
    input_.load(std::as_bytes(std::span(observations)), batch, pool_);
    workspace_.set_input(input_);
    if (architecture.kind == "mlp") workspace_.keep_input_gradient();
    forward({&pass_, 1}, pool_);
    for (std::size_t b = 0; b < batch; ++b) {
      for (std::size_t o = 0; o < architecture.outputs; ++o) {
        workspace_.set_output_gradient(b, o, static_cast<float>(stream.uniform(-1, 1)));
      }
    }
  }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  bool by_input() const { return network_.layers().back().by_input(); }
  const NetworkSpec& spec() const { return plan_->spec; }
  void backward() { eaudeqn::backward({&pass_, 1}, pool_); }
  void backward_to_input(std::size_t first) { eaudeqn::backward_to_input({&pass_, 1}, first, pool_); }
  void adam() { adam_step({&pass_, 1}, 1e-2, 1e-4, pool_); }
  void backward_and_adam() { eaudeqn::backward_and_adam({&pass_, 1}, 1e-2, 1e-4, pool_); }

  std::vector<float> tensor(std::size_t t) {
    const TensorLayout layout = workspace_.gradient_layout(t);
    return {workspace_.gradient(t), workspace_.gradient(t) + layout.size()};
  }
  std::vector<float> weight_gradient(std::size_t l) const { return in_full_order(l, network_.layers()[l].gradient); }
  std::vector<float> bias_gradient(std::size_t l) const {
    const auto all = network_.layers()[l].bias_gradient.span();
    return {all.begin(), all.end()};
  }
  std::vector<float> weights(std::size_t l) const { return network_.layer_weights(l).weights; }
  std::vector<float> bias(std::size_t l) const { return network_.layer_weights(l).bias; }
  std::vector<float> second_moment(std::size_t l) const { return network_.layer_moments(l).second; }

 private:
  std::vector<float> in_full_order(std::size_t l, const AlignedBuffer& stored) const {
    const Layer& layer = network_.layers()[l];
    std::vector<float> all(layer.mask.size(), 0.0F);
    for (std::size_t i = 0; i < layer.active; ++i) all[layer.positions[i]] = stored.data()[i];
    return all;
  }

  std::shared_ptr<const NetworkPlan> plan_;
  Network network_;
  Workspace workspace_;
  InputTensor input_;
  ThreadPool pool_{2};
  Pass pass_{&network_, &workspace_};
};

Architecture wide_mlp() {
  Architecture architecture = small_network("mlp");
  architecture.hidden = {601, 70};  // more outputs than a segment has
  return architecture;
}

class StorageOrders : public testing::TestWithParam<std::size_t> {};  // samples

TEST_P(StorageOrders, GiveTheSameBits) {
  for (const Architecture& architecture : {wide_mlp(), small_network("nature"), small_network("impala")}) {
    for (const double density : {0.02, 0.4}) {
      Subject by_input(architecture, 32, GetParam(), density);
      Subject by_output(architecture, 256, GetParam(), density);
      ASSERT_TRUE(by_input.by_input());
      ASSERT_FALSE(by_output.by_input());
      by_input.backward();
      by_output.backward();
      for (std::size_t t = 1; t < by_input.spec().tensors.size(); ++t) {
        ASSERT_EQ(by_input.tensor(t), by_output.tensor(t)) << architecture.kind << " tensor " << t;
      }
      for (std::size_t l = 0; l < by_input.spec().layers.size(); ++l) {
        ASSERT_EQ(by_input.weight_gradient(l), by_output.weight_gradient(l)) << architecture.kind << " layer " << l;
        ASSERT_EQ(by_input.bias_gradient(l), by_output.bias_gradient(l)) << architecture.kind << " layer " << l;
      }
    }
  }
}

TEST_P(StorageOrders, GiveTheSameInputGradientAlone) {
  Subject by_input(wide_mlp(), 32, GetParam(), 0.1);
  Subject by_output(wide_mlp(), 256, GetParam(), 0.1);
  by_input.backward_to_input(2);
  by_output.backward_to_input(2);
  EXPECT_EQ(by_input.tensor(0), by_output.tensor(0));
}

TEST_P(StorageOrders, StepWithinTheBackwardPassAsAfterIt) {
  for (const Architecture& architecture : {wide_mlp(), small_network("nature")}) {
    Subject within(architecture, 32, GetParam(), 0.1);
    Subject after(architecture, 32, GetParam(), 0.1);
    for (int step = 0; step < 3; ++step) {
      within.backward_and_adam();
      after.backward();
      after.adam();
    }
    for (std::size_t l = 0; l < within.spec().layers.size(); ++l) {
      ASSERT_EQ(within.weights(l), after.weights(l)) << architecture.kind << " layer " << l;
      ASSERT_EQ(within.bias(l), after.bias(l)) << architecture.kind << " layer " << l;
      ASSERT_EQ(within.second_moment(l), after.second_moment(l)) << architecture.kind << " layer " << l;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Samples, StorageOrders, testing::Values(1, 32, 40, 70),
                         [](const testing::TestParamInfo<std::size_t>& parameter) {
                           return "batch_" + std::to_string(parameter.param);
                         });

}  // namespace
}  // namespace eaudeqn

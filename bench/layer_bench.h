// One layer of one network with random weights, inputs and output gradients, ready to run through the engine's passes
// on one thread: what kernels_bench.cc, form_costs.cc and roofline_cases.cc time and instruction_cases.cc counts. Not
// for whole networks.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "core/random.h"
#include "engine/kernels/cases.h"
#include "engine/passes.h"

namespace eaudeqn {

// Thread safety: one owner.
class LayerBench {
 public:
  explicit LayerBench(const LayerCase& c, bool behind_relu = false, bool bytes = false,
                      LayerForm form = LayerForm::cheapest)
      : plan_(std::make_shared<NetworkPlan>(one_layer(c, behind_relu, bytes), c.batch)),
        network_(plan_, true),
        workspace_(plan_, c.batch, true),
        input_(plan_, c.batch) {
    RandomStream stream(1, "kernels_bench");
    LayerWeights layer = network_.layer_weights(0);
    for (std::size_t i = 0; i < layer.weights.size(); ++i) {
      layer.mask[i] = i == 0 || stream.uniform() < c.density ? 1 : 0;
      layer.weights[i] = layer.mask[i] != 0 ? static_cast<float>(stream.uniform(-1, 1)) : 0.0F;
    }
    network_.set_layer(0, layer, form);
    if (bytes) {
      std::vector<std::byte> inputs(c.batch * c.in * c.height * c.width);
      for (std::byte& value : inputs) value = static_cast<std::byte>(stream.below(256));
      input_.load(inputs, c.batch, pool_);
    } else {
      std::vector<float> inputs(c.batch * c.in * c.height * c.width);
      for (float& value : inputs) value = static_cast<float>(stream.uniform(-1, 1));
      input_.load(std::as_bytes(std::span(inputs)), c.batch, pool_);
    }
    workspace_.set_input(input_);
    const TensorShape& out = plan_->spec.tensors.back();
    const TensorLayout layout = workspace_.gradient_layout(plan_->spec.tensors.size() - 1);
    float* gradient = workspace_.gradient(plan_->spec.tensors.size() - 1);
    for (std::size_t channel = 0; channel < out.channels; ++channel) {
      for (std::size_t y = 0; y < out.height; ++y) {
        for (std::size_t i = 0; i < out.width * layout.lanes; ++i) {
          gradient[layout.offset(channel, y, 0) + i] = static_cast<float>(stream.uniform(-1, 1));
        }
      }
    }
    forward();
  }
  LayerBench(const LayerBench&) = delete;  // the pass points into it
  LayerBench& operator=(const LayerBench&) = delete;

  void forward() { eaudeqn::forward({&pass_, 1}, pool_); }
  void backward() { eaudeqn::backward({&pass_, 1}, pool_); }
  void adam() { adam_step({&pass_, 1}, 1e-3, 1e-8, pool_); }

  std::size_t active() const { return network_.layers()[0].active; }
  bool compact() const { return network_.layers()[0].compact; }
  // Of one forward pass: 2 x active weights x output positions x batch.
  double useful_operations(std::size_t batch) const {
    return 2.0 * static_cast<double>(active() * plan_->spec.positions(0) * batch);
  }

 private:
  std::shared_ptr<const NetworkPlan> plan_;
  Network network_;
  Workspace workspace_;
  InputTensor input_;
  Pass pass_{&network_, &workspace_};
  ThreadPool pool_{1};
};

}  // namespace eaudeqn

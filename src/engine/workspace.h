// Activations and gradients of one network for one batch size, and the input tensor that several networks share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/parallel.h"
#include "engine/aligned_buffer.h"
#include "engine/layer_plan.h"

namespace eaudeqn {

// A batch of observations in the engine's layout; read by any number of networks.
class InputTensor {
 public:
  InputTensor(std::shared_ptr<const NetworkPlan> plan, std::size_t batch);

  // observations: [B][C][H*W], bytes or floats as the architecture says; 1 <= B <= the batch of the constructor.
  void load(std::span<const std::byte> observations, std::size_t batch, ThreadPool& pool);

  // Units first_unit .. of a vector input, as many as `rows` [B][units] has for each sample; the others stay as they
  // are.
  void load_units(std::size_t first_unit, std::span<const float> rows, std::size_t batch);

  // One of the two; bytes where NetworkPlan::byte_planes.
  const float* data() const { return plan_->byte_planes ? nullptr : values_.data(); }
  const std::uint8_t* bytes() const { return plan_->byte_planes ? bytes_.data() : nullptr; }
  std::size_t batch() const { return batch_; }

 private:
  std::shared_ptr<const NetworkPlan> plan_;
  TensorLayout layout_;
  std::size_t batch_ = 0;
  AlignedBuffer values_;
  std::vector<std::uint8_t, LargeAllocator<std::uint8_t>> bytes_;
};

// Borders are zero from the start and nothing writes them.
class Workspace {
 public:
  Workspace(std::shared_ptr<const NetworkPlan> plan, std::size_t batch, bool with_gradients);

  TensorLayout activation_layout(std::size_t tensor) const { return plan_->activation(tensor, kLanes, blocks_); }
  TensorLayout gradient_layout(std::size_t tensor) const { return plan_->gradient(tensor, kLanes, blocks_); }
  // Tensor 0 is the input last given to set_input, unless that is bytes.
  const float* activation(std::size_t tensor) const { return tensor == 0 ? input_ : activations_[tensor].data(); }
  float* activation_for_writing(std::size_t tensor) { return activations_[tensor].data(); }
  float* gradient(std::size_t tensor) { return gradients_[tensor].data(); }
  AlignedBuffer& gradient_buffer(std::size_t tensor) { return gradients_[tensor]; }
  // Of max-pooling that makes the tensor: max_pool.h, block after block; nullptr in a workspace without gradients.
  std::uint8_t* pool_choices(std::size_t tensor) {
    return pool_choices_[tensor].empty() ? nullptr : pool_choices_[tensor].data();
  }
  const std::uint8_t* byte_input() const { return byte_input_; }
  void set_input(const InputTensor& input) {
    input_ = input.data();
    byte_input_ = input.bytes();
  }

  float output(std::size_t sample, std::size_t unit) const {
    return activations_.back().data()[place(activation_layout(activations_.size() - 1), sample, unit)];
  }
  // d loss / d output, same places; set all of them before a backward pass (0 for samples past the batch).
  void set_output_gradient(std::size_t sample, std::size_t unit, float value) {
    gradients_.back().data()[place(gradient_layout(gradients_.size() - 1), sample, unit)] = value;
  }
  // For backward_to_input. d loss / d input, in the same manner.
  void keep_input_gradient() { gradients_[0] = AlignedBuffer(gradient_layout(0).size()); }
  float input_gradient(std::size_t sample, std::size_t unit) const {
    return gradients_[0].data()[place(gradient_layout(0), sample, unit)];
  }
  void clear_output_gradient() { gradients_.back().clear(); }

  std::size_t blocks() const { return blocks_; }

 private:
  static std::size_t place(const TensorLayout& layout, std::size_t sample, std::size_t unit) {
    return sample / kLanes * layout.block_pitch() + layout.offset(unit, 0, 0) + sample % kLanes;
  }

  std::shared_ptr<const NetworkPlan> plan_;
  std::size_t blocks_;
  const float* input_ = nullptr;
  const std::uint8_t* byte_input_ = nullptr;
  std::vector<AlignedBuffer> activations_, gradients_;
  std::vector<std::vector<std::uint8_t, LargeAllocator<std::uint8_t>>> pool_choices_;
};

}  // namespace eaudeqn

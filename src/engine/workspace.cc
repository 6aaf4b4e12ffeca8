// See workspace.h.
#include "engine/workspace.h"

#include "eaudeqn/error.h"
#include "engine/kernels/elementwise.h"
#include "engine/kernels/max_pool.h"

namespace eaudeqn {

InputTensor::InputTensor(std::shared_ptr<const NetworkPlan> plan, std::size_t batch)
    : plan_(std::move(plan)),
      layout_(plan_->activation(0, kLanes, blocks_for_batch(batch))),
      values_(plan_->byte_planes ? 0 : layout_.size()),
      bytes_(plan_->byte_planes ? layout_.size() : 0) {}

void InputTensor::load(std::span<const std::byte> observations, std::size_t batch, ThreadPool& pool) {
  const bool bytes = plan_->spec.architecture.byte_input;
  const std::size_t elements = layout_.channels * layout_.height * layout_.width;
  if (batch == 0 || batch > kLanes * layout_.blocks || observations.size() != batch * elements * (bytes ? 1 : 4)) {
    throw Error::failure("observations do not have the network's input shape: " + std::to_string(observations.size()) +
                         " bytes for " + std::to_string(batch) + " of " + std::to_string(elements) + " elements");
  }
  batch_ = batch;
  if (!bytes && layout_.height * layout_.width == 1) {
    pool.for_each(layout_.blocks, [&](std::size_t block, int) {
      load_float_vectors(layout_, observations, batch, block, values_.data());
    });
    return;
  }
  pool.for_each(layout_.channels * layout_.height, [&](std::size_t task, int) {
    const std::size_t channel = task / layout_.height;
    const std::size_t row = task % layout_.height;
    if (plan_->byte_planes) {
      arrange_byte_row(layout_, observations, batch, channel, row, bytes_.data());
    } else if (bytes) {
      load_byte_row(layout_, observations, batch, channel, row, values_.data());
    } else {
      load_float_row(layout_, observations, batch, channel, row, values_.data());
    }
  });
}

void InputTensor::load_units(std::size_t first_unit, std::span<const float> rows, std::size_t batch) {
  const std::size_t units = batch == 0 ? 0 : rows.size() / batch;
  if (batch == 0 || batch > kLanes * layout_.blocks || rows.size() != batch * units || layout_.height != 1 ||
      layout_.width != 1 || first_unit + units > layout_.channels) {
    throw Error::failure("rows do not have the network's input shape: " + std::to_string(rows.size()) +
                         " numbers for " + std::to_string(batch) + " samples from unit " + std::to_string(first_unit));
  }
  batch_ = batch;
  for (std::size_t b = 0; b < batch; ++b) {
    float* to = values_.data() + b / kLanes * layout_.block_pitch() + first_unit * kLanes + b % kLanes;
    for (std::size_t unit = 0; unit < units; ++unit) to[unit * kLanes] = rows[b * units + unit];
  }
}

Workspace::Workspace(std::shared_ptr<const NetworkPlan> plan, std::size_t batch, bool with_gradients)
    : plan_(std::move(plan)), blocks_(blocks_for_batch(batch)) {
  activations_.resize(plan_->spec.tensors.size());
  gradients_.resize(plan_->spec.tensors.size());
  for (std::size_t i = 1; i < activations_.size(); ++i) {
    activations_[i] = AlignedBuffer(activation_layout(i).size());
    if (with_gradients) gradients_[i] = AlignedBuffer(gradient_layout(i).size());
  }
  pool_choices_.resize(activations_.size());
  for (const Operation& operation : plan_->spec.operations) {
    if (operation.kind != OperationKind::max_pool || !with_gradients) continue;
    pool_choices_[operation.output].resize(blocks_ * pool_choices_size(activation_layout(operation.output)));
  }
}

}  // namespace eaudeqn

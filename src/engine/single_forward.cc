// See single_forward.h.
#include "engine/single_forward.h"

#include <algorithm>
#include <cstring>

#include "eaudeqn/error.h"
#include "engine/kernels/plane_moves.h"
#include "engine/kernels/planes.h"

namespace eaudeqn {

SingleForward::SingleForward(std::shared_ptr<const SingleGeometry> geometry, bool wide_loads)
    : geometry_(std::move(geometry)), wide_loads_(wide_loads) {
  const NetworkSpec& spec = geometry_->spec();
  std::size_t widest = 0, longest = 0, sums = 0;
  for (std::size_t t = 0; t < spec.tensors.size(); ++t) {
    const PlaneLayout& layout = geometry_->tensor(t);
    tensors_.emplace_back(layout.buffer_size());
    widest = std::max(widest, layout.width);
  }
  splits_.resize(spec.operations.size());
  for (std::size_t i = 0; i < spec.operations.size(); ++i) {
    const Operation& operation = spec.operations[i];
    if (operation.kind == OperationKind::convolution && geometry_->convolution(operation.layer).split) {
      splits_[i] = AlignedBuffer(geometry_->convolution(operation.layer).input.buffer);
    }
    if (operation.kind == OperationKind::dense) {
      const TensorLayout batch = geometry_->plan()->activation(operation.input, 1, 1);
      longest = std::max(longest, batch.size() + 64);
      sums = std::max(sums, SingleDense::scratch_sums(spec.layers[operation.layer]));
    }
  }
  flat_ = AlignedBuffer(longest);
  pool_row_ = AlignedBuffer(widest + 64);
  if (!spec.architecture.byte_input) observation_ = AlignedBuffer(spec.tensors[0].elements());
  outputs_ = AlignedBuffer(std::max(sums, spec.tensors.back().elements() + 16));
  scratch_.sums = AlignedBuffer(sums);
  scratch_.inputs = AlignedBuffer(longest);
  scratch_.nonzero.resize(longest);
}

void SingleForward::load(std::span<const std::byte> observation) {
  const NetworkSpec& spec = geometry_->spec();
  const TensorShape& shape = spec.tensors[0];
  const bool bytes = spec.architecture.byte_input;
  if (observation.size() != shape.elements() * (bytes ? 1 : sizeof(float))) {
    throw Error::failure(
        "the observation does not have the network's input shape: " + std::to_string(observation.size()) +
        " bytes for " + std::to_string(shape.elements()) + " elements");
  }
  const int splitter = geometry_->operation_that_splits_the_input();
  const PlaneLayout& layout = geometry_->tensor(0);
  SplitLayout to{1, layout.pitch, layout.plane, layout.top, layout.left, 0};
  float* output = tensors_[0].data();
  if (splitter >= 0) {
    to = geometry_->convolution(spec.operations[static_cast<std::size_t>(splitter)].layer).input;
    output = splits_[static_cast<std::size_t>(splitter)].data();
  }
  if (bytes) {
    split_bytes(reinterpret_cast<const std::uint8_t*>(observation.data()), layout.channels, layout.height, layout.width,
                to, output);
    if (geometry_->plan()->byte_planes) return;
    for (float& value : tensors_[0].span()) value /= 255.0F;
    return;
  }
  std::memcpy(observation_.data(), observation.data(), observation.size());  // it may lie anywhere
  split_floats(observation_.data(), layout.width, layout.height * layout.width, layout.channels, layout.height,
               layout.width, to, output);
}

void SingleForward::convolution(const SingleWeights& weights, std::size_t index) {
  const NetworkSpec& spec = geometry_->spec();
  const Operation& operation = spec.operations[index];
  const ConvolutionGeometry& geometry = geometry_->convolution(operation.layer);
  const SingleConvolution& layer = weights.convolution(operation.layer);
  const PlaneLayout& in = geometry_->tensor(operation.input);
  const PlaneLayout& out = geometry_->tensor(operation.output);
  PlaneRuns runs;
  runs.input = tensors_[operation.input].data() + geometry.first;
  if (geometry.split) {
    if (static_cast<int>(index) != geometry_->operation_that_splits_the_input()) {
      split_floats(tensors_[operation.input].data() + in.offset(0, 0, 0), in.pitch, in.plane, in.channels, in.height,
                   in.width, geometry.input, splits_[index].data());
    }
    runs.input = splits_[index].data();
  }
  runs.output = tensors_[operation.output].data() + out.offset(0, 0, 0);
  runs.output_pitch = out.plane;
  runs.run = out.run();
  runs.mask = geometry.mask.data();
  runs.relu = operation.relu;
  runs.wide = wide_loads_;
  runs.bytes = operation.input == 0 && geometry_->plan()->byte_planes;
  if (operation.residual >= 0) {
    const auto tensor = static_cast<std::size_t>(operation.residual);
    const PlaneLayout& from = geometry_->tensor(tensor);
    runs.residual = tensors_[tensor].data() + from.offset(0, 0, 0);
    runs.residual_pitch = from.plane;
  }
  const LayerSpec& layer_spec = spec.layers[operation.layer];
  if (layer.dense) {
    dense_planes({geometry.offsets.data(), geometry.offsets.size(), layer.values, layer.biases, layer_spec.out}, runs);
  } else {
    sparse_planes({layer.starts, layer.offsets.data(), layer.values, layer.biases, layer.order.data(), layer_spec.out,
                   layer.segments},
                  runs);
  }
}

// All features of a tensor in order, or as the batch engine lays out one sample, with borders.
const float* SingleForward::flatten(std::size_t tensor, bool with_borders) {
  const PlaneLayout& from = geometry_->tensor(tensor);
  const TensorShape& shape = geometry_->spec().tensors[tensor];
  const TensorLayout to = geometry_->plan()->activation(tensor, 1, 1);
  const float* values = tensors_[tensor].data();
  if (!with_borders || to.size() == shape.elements()) {
    if (from.channels == 1 && from.height == 1) return values + from.offset(0, 0, 0);
    flatten_planes(from, values, flat_.data());
    return flat_.data();
  }
  std::fill_n(flat_.data(), to.size(), 0.0F);
  for (std::size_t c = 0; c < shape.channels; ++c) {
    for (std::size_t y = 0; y < shape.height; ++y) {
      const std::size_t feature = (c * shape.height + y) * shape.width;
      std::copy_n(values + geometry_->place(tensor, feature), shape.width, flat_.data() + to.offset(c, y, 0));
    }
  }
  return flat_.data();
}

void SingleForward::dense(const SingleWeights& weights, const Operation& operation) {
  const SingleDense& layer = weights.dense(operation.layer);
  const float* input = flatten(operation.input, layer.form() == SingleDense::Form::rows);
  layer.run(input, scratch_, outputs_.data());
  const PlaneLayout& out = geometry_->tensor(operation.output);
  float* output = tensors_[operation.output].data() + out.offset(0, 0, 0);
  const std::size_t step = out.channels > 1 ? out.plane : 1;
  for (std::size_t o = 0; o < layer.outputs(); ++o) {
    const float value = outputs_.data()[o];
    output[o * step] = operation.relu && value < 0.0F ? 0.0F : value;  // keeps NaN
  }
}

std::span<const float> SingleForward::forward(const SingleWeights& weights, std::span<const std::byte> observation) {
  const NetworkSpec& spec = geometry_->spec();
  load(observation);
  for (std::size_t i = 0; i < spec.operations.size(); ++i) {
    const Operation& operation = spec.operations[i];
    const PlaneLayout& in = geometry_->tensor(operation.input);
    const PlaneLayout& out = geometry_->tensor(operation.output);
    const float* input = tensors_[operation.input].data();
    float* output = tensors_[operation.output].data();
    switch (operation.kind) {
      case OperationKind::convolution:
        convolution(weights, i);
        break;
      case OperationKind::dense:
        dense(weights, operation);
        break;
      case OperationKind::relu:
        relu_planes(in, input, out, output);
        break;
      case OperationKind::max_pool:
        max_pool_planes(in, input, out, output, pool_row_.data());
        break;
    }
  }
  const std::size_t last = spec.tensors.size() - 1;
  flatten_planes(geometry_->tensor(last), tensors_[last].data(), outputs_.data());
  return {outputs_.data(), spec.tensors[last].elements()};
}

}  // namespace eaudeqn

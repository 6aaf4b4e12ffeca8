// The weight gradient of a layer, cut into parallel parts: see backward_parts.h. The sums are in
// kernels/weight_gradient.h and, for dense layers in dense form, kernels/outer_product.h.
#include <algorithm>

#include "engine/backward_parts.h"
#include "engine/kernels/outer_product.h"
#include "engine/kernels/weight_gradient.h"
#include "engine/parts.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kChannels = 4;             // output channels of a dense convolution's part
constexpr std::size_t kCompactChannels = 16;     // of a compact convolution's, times one segment
constexpr std::size_t kDenseLayerChannels = 64;  // outputs of a compact dense layer's part, times one segment
constexpr std::size_t kOuterInputs = 4096;  // inputs x samples of a dense layer's part: half of the first-level cache

GradientPlanes planes_of(Workspace& workspace, const Operation& operation, const NetworkPlan& plan) {
  const LayerPlan& geometry = plan.layers[operation.layer];
  const TensorLayout in = workspace.activation_layout(operation.input);
  const TensorLayout out = workspace.gradient_layout(operation.output);
  GradientPlanes planes;
  planes.output_gradient = workspace.gradient(operation.output) + out.offset(0, 0, 0);
  planes.gradient_channel_pitch = static_cast<std::ptrdiff_t>(out.channel_pitch());
  planes.input = workspace.activation(operation.input);
  if (operation.kind == OperationKind::dense) {  // the blocks of the batch are the pixels
    planes.gradient_step = static_cast<std::ptrdiff_t>(out.block_pitch());
    planes.input_step = static_cast<std::ptrdiff_t>(in.block_pitch());
    planes.height = planes.blocks = 1;
    planes.width = workspace.blocks();
    return planes;
  }
  planes.gradient_row_pitch = static_cast<std::ptrdiff_t>(out.row_pitch());
  planes.gradient_step = static_cast<std::ptrdiff_t>(kLanes);
  planes.gradient_block_pitch = static_cast<std::ptrdiff_t>(out.block_pitch());
  const std::size_t first =
      (in.border.top - geometry.pad_top) * in.row_pitch() + (in.border.left - geometry.pad_left) * kLanes;
  if (operation.input == 0 && plan.byte_planes) {
    planes.bytes = workspace.byte_input() + first;
  } else {
    planes.input += first;
  }
  planes.input_row_pitch = static_cast<std::ptrdiff_t>(in.row_pitch() * operation.stride);
  planes.input_step = static_cast<std::ptrdiff_t>(kLanes * operation.stride);
  planes.input_block_pitch = static_cast<std::ptrdiff_t>(in.block_pitch());
  planes.height = out.height;
  planes.width = out.width;
  planes.blocks = out.blocks;
  return planes;
}

float* aligned_scratch(std::vector<float>& scratch, std::size_t floats) {
  scratch.resize(std::max(scratch.size(), floats + kLanes));
  return scratch.data() + (64 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 64) % 64 / sizeof(float);
}

// A dense layer in dense form has a kernel of its own.
bool is_outer_product(const LayerSpec& spec, const Layer& layer) { return !spec.convolution && !layer.compact; }
std::size_t outer_inputs(const Workspace& workspace) {
  return std::max<std::size_t>(kOuterInputs / (workspace.blocks() * kLanes) / kLanes, 1) * kLanes;
}

// How a layer's weights are cut: chunks of output channels x segments of inputs.
struct Parts {
  std::size_t channels, chunks, segments;
};
Parts parts_of(const Pass& pass, const Operation& operation) {
  const LayerSpec& spec = pass.network->spec().layers[operation.layer];
  const Layer& layer = pass.network->layers()[operation.layer];
  if (is_outer_product(spec, layer)) {
    const std::size_t inputs = outer_inputs(*pass.workspace);
    return {spec.out, 1, (spec.row_size() + inputs - 1) / inputs};
  }
  Parts parts{kDenseLayerChannels, 0, layer.compact ? layer.forward.segments : 1};
  if (spec.convolution) parts.channels = layer.compact ? kCompactChannels : kChannels;
  parts.chunks = (spec.out + parts.channels - 1) / parts.channels;
  return parts;
}

// In dense form inactive weights have a gradient too, until here.
void mask_gradient(const LayerSpec& spec, Layer& layer, std::size_t first, std::size_t last, std::size_t begin,
                   std::size_t end) {
  if (layer.active == layer.mask.size()) return;
  for (std::size_t o = first; o < last; ++o) {
    float* gradient = layer.gradient.data() + o * spec.row_size();
    const std::uint8_t* mask = layer.mask.data() + o * spec.row_size();
    for (std::size_t i = begin; i < end; ++i) gradient[i] = mask[i] != 0 ? gradient[i] : 0.0F;
  }
}

// A dense layer in dense form: inputs [begin, end) of all outputs.
void outer_product_part(const GradientPlanes& planes, const LayerSpec& spec, const LayerPlan& geometry, Layer& layer,
                        std::size_t begin, std::size_t end, std::vector<float>& scratch) {
  OuterProduct product;
  product.output_gradient = planes.output_gradient;
  product.block_pitch = planes.gradient_step;
  product.outputs = spec.out;
  product.samples = planes.width * kLanes;
  product.count = end - begin;
  product.inputs_pitch = (product.count + kLanes - 1) / kLanes * kLanes;
  float* inputs = aligned_scratch(scratch, product.samples * product.inputs_pitch);
  for (std::size_t i = 0; i < product.count; ++i) {
    for (std::size_t sample = 0; sample < product.samples; ++sample) {
      inputs[sample * product.inputs_pitch + i] =
          planes.input[static_cast<std::ptrdiff_t>(sample / kLanes) * planes.input_step +
                       geometry.offsets[begin + i] * std::ptrdiff_t{kLanes} +
                       static_cast<std::ptrdiff_t>(sample % kLanes)];
    }
  }
  product.inputs = inputs;
  product.gradient = layer.gradient.data() + begin;
  product.gradient_pitch = static_cast<std::ptrdiff_t>(spec.row_size());
  outer_product(product);
  mask_gradient(spec, layer, 0, spec.out, begin, end);
}

void run_part(const Pass& pass, const Operation& operation, std::size_t part, std::vector<float>& scratch) {
  Network& network = *pass.network;
  const LayerSpec& spec = network.spec().layers[operation.layer];
  const LayerPlan& geometry = network.plan().layers[operation.layer];
  Layer& layer = network.layers()[operation.layer];
  const Parts parts = parts_of(pass, operation);
  const std::size_t segment = part / parts.chunks;
  const std::size_t first = part % parts.chunks * parts.channels;
  const std::size_t last = std::min(first + parts.channels, spec.out);
  GradientPlanes planes = planes_of(*pass.workspace, operation, network.plan());
  planes.output_gradient += static_cast<std::ptrdiff_t>(first) * planes.gradient_channel_pitch;
  if (segment == 0) bias_gradient(planes, last - first, layer.bias_gradient.data() + first);
  if (layer.compact) {
    sparse_weight_gradient(planes, last - first, layer.forward.starts.data() + segment * spec.out + first,
                           layer.forward.offsets.data(), aligned_scratch(scratch, kSparseScratch),
                           layer.gradient.data());
    return;
  }
  if (is_outer_product(spec, layer)) {
    const std::size_t inputs = outer_inputs(*pass.workspace);
    outer_product_part(planes, spec, geometry, layer, segment * inputs,
                       std::min((segment + 1) * inputs, spec.row_size()), scratch);
    return;
  }
  dense_weight_gradient(planes, last - first, geometry.offsets.data(), spec.row_size(),
                        aligned_scratch(scratch, (last - first) * spec.row_size() * kLanes),
                        layer.gradient.data() + first * spec.row_size());
  mask_gradient(spec, layer, first, last, 0, spec.row_size());
}

}  // namespace

void weight_gradient(std::span<const Pass> passes, const Operation& operation, ThreadPool& pool) {
  std::vector<std::vector<float>> scratch(static_cast<std::size_t>(pool.threads()));
  const auto count = [&](const Pass& pass) {
    const Parts parts = parts_of(pass, operation);
    return parts.chunks * parts.segments;
  };
  for_each_part(passes, pool, count, [&](const Pass& pass, std::size_t part, int worker) {
    run_part(pass, operation, part, scratch[static_cast<std::size_t>(worker)]);
  });
}

}  // namespace eaudeqn

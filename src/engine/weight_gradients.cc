// The weight gradient of a layer, cut into parallel parts: see backward_parts.h. The sums are in
// kernels/weight_gradient.h and, for dense layers in dense form, kernels/outer_product.h.
#include <algorithm>
#include <optional>
#include <utility>

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

std::size_t outer_inputs(const Workspace& workspace) {
  return std::max<std::size_t>(kOuterInputs / (workspace.blocks() * kLanes) / kLanes, 1) * kLanes;
}

// How a layer's weights are cut: chunks of output channels x segments of inputs.
struct Parts {
  std::size_t channels, chunks, segments;
};
// In dense form; dense layers have a kernel of their own then.
Parts dense_parts(const LayerSpec& spec, const Workspace& workspace) {
  if (spec.convolution) return {kChannels, (spec.out + kChannels - 1) / kChannels, 1};
  const std::size_t inputs = outer_inputs(workspace);
  return {spec.out, 1, (spec.row_size() + inputs - 1) / inputs};
}
Parts weight_parts(const Pass& pass, const Operation& operation) {
  const LayerSpec& spec = pass.network->spec().layers[operation.layer];
  const Layer& layer = pass.network->layers()[operation.layer];
  if (!layer.compact) return dense_parts(spec, *pass.workspace);
  Parts parts{spec.convolution ? kCompactChannels : kDenseLayerChannels, 0, layer.forward.segments};
  parts.chunks = (spec.out + parts.channels - 1) / parts.channels;
  return parts;
}

// One part of a layer: output channels [first, last), and its planes from channel `first` on, of one block if that is given.
struct Part {
  std::size_t segment, first, last;
  GradientPlanes planes;
};
Part part_of(const Pass& pass, const Operation& operation, const Parts& parts, std::size_t index,
             std::optional<std::size_t> block) {
  const std::size_t first = index % parts.chunks * parts.channels;
  const std::size_t last = std::min(first + parts.channels, pass.network->spec().layers[operation.layer].out);
  Part part{index / parts.chunks, first, last, planes_of(*pass.workspace, operation, pass.network->plan())};
  GradientPlanes& planes = part.planes;
  planes.output_gradient += static_cast<std::ptrdiff_t>(first) * planes.gradient_channel_pitch;
  if (block) {
    planes.output_gradient += static_cast<std::ptrdiff_t>(*block) * planes.gradient_block_pitch;
    if (planes.bytes != nullptr) {
      planes.bytes += static_cast<std::ptrdiff_t>(*block) * planes.input_block_pitch;
    } else {
      planes.input += static_cast<std::ptrdiff_t>(*block) * planes.input_block_pitch;
    }
    planes.blocks = 1;
    planes.accumulate = *block > 0;
  }
  return part;
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
void outer_product_part(const GradientPlanes& planes, const LayerSpec& spec, const LayerPlan& geometry,
                        std::size_t begin, std::size_t end, std::vector<float>& scratch, float* gradient) {
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
  product.gradient = gradient + begin;
  product.gradient_pitch = static_cast<std::ptrdiff_t>(spec.row_size());
  outer_product(product);
}

// Dense form: all weights of a part, to their places in `gradient`, the whole layer in full order. Returns the inputs
// [begin, end) of the part.
std::pair<std::size_t, std::size_t> dense_part(const Pass& pass, const Operation& operation, const Part& part,
                                               std::vector<float>& scratch, float* gradient) {
  const LayerSpec& spec = pass.network->spec().layers[operation.layer];
  const LayerPlan& geometry = pass.network->plan().layers[operation.layer];
  if (!spec.convolution) {
    const std::size_t inputs = outer_inputs(*pass.workspace);
    const std::size_t begin = part.segment * inputs;
    const std::size_t end = std::min(begin + inputs, spec.row_size());
    outer_product_part(part.planes, spec, geometry, begin, end, scratch, gradient);
    return {begin, end};
  }
  dense_weight_gradient(part.planes, part.last - part.first, geometry.offsets.data(), spec.row_size(),
                        aligned_scratch(scratch, (part.last - part.first) * spec.row_size() * kLanes),
                        gradient + part.first * spec.row_size());
  return {0, spec.row_size()};
}

void run_part(const Pass& pass, const Operation& operation, std::size_t index, std::optional<std::size_t> block,
              std::vector<float>& scratch) {
  const LayerSpec& spec = pass.network->spec().layers[operation.layer];
  Layer& layer = pass.network->layers()[operation.layer];
  const Part part = part_of(pass, operation, weight_parts(pass, operation), index, block);
  float* bias = part.segment == 0 ? layer.bias_gradient.data() + part.first : nullptr;
  if (layer.compact) {
    sparse_weight_gradient(
        part.planes, part.last - part.first, layer.forward.starts.data() + part.segment * spec.out + part.first,
        layer.forward.offsets.data(), aligned_scratch(scratch, kSparseScratch), layer.gradient.data(), bias);
    return;
  }
  if (bias != nullptr) bias_gradient(part.planes, part.last - part.first, bias);
  const auto [begin, end] = dense_part(pass, operation, part, scratch, layer.gradient.data());
  mask_gradient(spec, layer, part.first, part.last, begin, end);
}

}  // namespace

void weight_gradient(std::span<const Pass> passes, const Operation& operation, ThreadPool& pool) {
  std::vector<std::vector<float>> scratch(static_cast<std::size_t>(pool.threads()));
  const auto count = [&](const Pass& pass) {
    if (is_by_input(pass, operation)) return std::size_t{0};
    const Parts parts = weight_parts(pass, operation);
    return parts.chunks * parts.segments;
  };
  for_each_part(passes, pool, count, [&](const Pass& pass, std::size_t part, int worker) {
    run_part(pass, operation, part, std::nullopt, scratch[static_cast<std::size_t>(worker)]);
  });
}

void weight_gradient_of_block(const Pass& pass, const Operation& operation, std::size_t block,
                              std::vector<float>& scratch) {
  const Parts parts = weight_parts(pass, operation);
  for (std::size_t part = 0; part < parts.chunks * parts.segments; ++part) {
    run_part(pass, operation, part, block, scratch);
  }
}

std::vector<std::vector<float>> all_weight_gradients(const Pass& pass, ThreadPool& pool) {
  const NetworkSpec& spec = pass.network->spec();
  std::vector<std::vector<float>> gradients(spec.layers.size());
  std::vector<std::vector<float>> scratch(static_cast<std::size_t>(pool.threads()));
  for (const Operation& operation : spec.operations) {
    if (operation.kind != OperationKind::convolution && operation.kind != OperationKind::dense) continue;
    std::vector<float>& gradient = gradients[operation.layer];
    gradient.resize(spec.layers[operation.layer].weights());
    const Parts parts = dense_parts(spec.layers[operation.layer], *pass.workspace);
    pool.for_each(parts.chunks * parts.segments, [&](std::size_t part, int worker) {
      dense_part(pass, operation, part_of(pass, operation, parts, part, std::nullopt), scratch[static_cast<std::size_t>(worker)],
                 gradient.data());
    });
  }
  return gradients;
}

}  // namespace eaudeqn

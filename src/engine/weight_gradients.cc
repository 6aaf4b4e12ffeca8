// The weight gradient of a layer, cut into parallel parts: see backward_parts.h. The sums are in
// kernels/weight_gradient.h.
#include <algorithm>

#include "engine/backward_parts.h"
#include "engine/kernels/weight_gradient.h"
#include "engine/parts.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kChannels = 4;             // output channels of a dense convolution's part
constexpr std::size_t kCompactChannels = 16;     // of a compact convolution's, times one segment
constexpr std::size_t kDenseLayerChannels = 64;  // outputs of a dense layer's part, times one segment
constexpr std::size_t kDenseLayerInputs = 1024;  // inputs of a dense layer in dense form: 128 KB for a batch of 32

GradientPlanes planes_of(Workspace& workspace, const Operation& operation, const LayerPlan& geometry) {
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
  planes.input += (in.border.top - geometry.pad_top) * in.row_pitch() + (in.border.left - geometry.pad_left) * kLanes;
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

// How a layer's weights are cut: chunks of output channels x segments of inputs.
struct Parts {
  std::size_t channels, chunks, segments;
};
Parts parts_of(const Pass& pass, const Operation& operation) {
  const LayerSpec& spec = pass.network->spec().layers[operation.layer];
  const Layer& layer = pass.network->layers()[operation.layer];
  Parts parts{kDenseLayerChannels, 0, 1};
  if (spec.convolution) parts.channels = layer.compact ? kCompactChannels : kChannels;
  if (layer.compact) {
    parts.segments = layer.forward.segments;
  } else if (!spec.convolution) {
    parts.segments = (spec.row_size() + kDenseLayerInputs - 1) / kDenseLayerInputs;
  }
  parts.chunks = (spec.out + parts.channels - 1) / parts.channels;
  return parts;
}

// Dense form: gradients of the weights [begin, end) of channels [first, last).
void dense_part(const GradientPlanes& planes, const LayerSpec& spec, const LayerPlan& geometry, Layer& layer,
                std::size_t first, std::size_t last, std::size_t begin, std::size_t end, std::vector<float>& scratch) {
  dense_weight_gradient(planes, last - first, geometry.offsets.data(), begin, end,
                        aligned_scratch(scratch, (last - first) * (end - begin) * kLanes),
                        layer.gradient.data() + first * spec.row_size(), static_cast<std::ptrdiff_t>(spec.row_size()));
  if (layer.active == layer.mask.size()) return;
  for (std::size_t o = first; o < last; ++o) {
    float* gradient = layer.gradient.data() + o * spec.row_size();
    const std::uint8_t* mask = layer.mask.data() + o * spec.row_size();
    for (std::size_t i = begin; i < end; ++i) gradient[i] = mask[i] != 0 ? gradient[i] : 0.0F;
  }
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
  GradientPlanes planes = planes_of(*pass.workspace, operation, geometry);
  planes.output_gradient += static_cast<std::ptrdiff_t>(first) * planes.gradient_channel_pitch;
  if (segment == 0) bias_gradient(planes, last - first, layer.bias_gradient.data() + first);
  if (layer.compact) {
    sparse_weight_gradient(planes, last - first, layer.forward.starts.data() + segment * spec.out + first,
                           layer.forward.offsets.data(), aligned_scratch(scratch, kSparseScratch),
                           layer.gradient.data());
    return;
  }
  const std::size_t inputs = parts.segments == 1 ? spec.row_size() : kDenseLayerInputs;
  dense_part(planes, spec, geometry, layer, first, last, segment * inputs,
             std::min((segment + 1) * inputs, spec.row_size()), scratch);
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

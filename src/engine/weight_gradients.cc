// The weight gradient of a layer, cut into parallel parts: see backward_parts.h. The sums are in
// kernels/weight_gradient.h and, for all gradients of a dense layer, kernels/panels.h.
#include <algorithm>
#include <optional>

#include "eaudeqn/error.h"
#include "engine/backward_parts.h"
#include "engine/kernels/instruction_set.h"
#include "engine/kernels/panels.h"
#include "engine/kernels/weight_gradient.h"
#include "engine/parts.h"
#include "engine/window_rows.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kChannels = 4;             // output channels of a dense convolution's part
constexpr std::size_t kCompactChannels = 16;     // of a compact convolution's, times one segment
constexpr std::size_t kDenseLayerChannels = 64;  // outputs of a compact dense layer's part, times one segment

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

// How a layer's weights are cut: chunks of output channels x segments of inputs.
struct Parts {
  std::size_t channels, chunks, segments;
};
Parts dense_parts(const LayerSpec& spec) { return {kChannels, (spec.out + kChannels - 1) / kChannels, 1}; }
Parts weight_parts(const Pass& pass, const Operation& operation) {
  const LayerSpec& spec = pass.network->spec().layers[operation.layer];
  const Layer& layer = pass.network->layers()[operation.layer];
  if (!layer.compact) return dense_parts(spec);
  Parts parts{spec.convolution ? kCompactChannels : kDenseLayerChannels, 0, layer.forward.segments};
  parts.chunks = (spec.out + parts.channels - 1) / parts.channels;
  return parts;
}

// One part of a layer: output channels [first, last), and its planes from channel `first` on, of one block if that is
// given.
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

// In dense form inactive weights have a gradient too, until here. Output channels [first, last).
void mask_gradient(const LayerSpec& spec, Layer& layer, std::size_t first, std::size_t last) {
  if (layer.active == layer.mask.size()) return;
  const std::size_t begin = first * spec.row_size();
  keep_masked(layer.mask.data() + begin, (last - first) * spec.row_size(), layer.gradient.data() + begin);
}

// A convolution in dense form: all weights of a part, to their places in `gradient`, the whole layer in full order.
void dense_part(const Pass& pass, const Operation& operation, const Part& part, std::vector<float>& scratch,
                float* gradient) {
  const LayerSpec& spec = pass.network->spec().layers[operation.layer];
  dense_weight_gradient(part.planes, part.last - part.first,
                        pass.network->plan().layers[operation.layer].offsets.data(), spec.row_size(),
                        aligned_scratch(scratch, (part.last - part.first) * spec.row_size() * kLanes),
                        gradient + part.first * spec.row_size());
}

// A layer in compact form: the weights of a part, to their places in its gradient.
void compact_part(const Pass& pass, const Operation& operation, const Part& part, std::vector<float>& scratch,
                  float* bias) {
  const LayerSpec& spec = pass.network->spec().layers[operation.layer];
  Layer& layer = pass.network->layers()[operation.layer];
  const LayerIndex& index = layer.forward;
  const std::size_t* starts = index.starts.data() + part.segment * spec.out + part.first;
  // Narrow vectors hold fewer pixels of a gradient at a time: sums and window leave the first-level cache more often
  // than bytes are converted.
  if (index.window_offsets.empty() || vector_floats() < kLanes) {
    sparse_weight_gradient(part.planes, part.last - part.first, starts, index.offsets.data(),
                           aligned_scratch(scratch, kSparseScratch), layer.gradient.data(), bias);
    return;
  }
  const WindowShape window = window_of(spec, pass.network->plan().layers[operation.layer],
                                       pass.workspace->activation_layout(operation.input), part.segment);
  GradientPlanes planes = part.planes;
  planes.window = &window;
  sparse_weight_gradient(planes, part.last - part.first, starts, index.window_offsets.data(),
                         aligned_scratch(scratch, kWindowScratch), layer.gradient.data(), bias);
}

void run_part(const Pass& pass, const Operation& operation, std::size_t index, std::optional<std::size_t> block,
              std::vector<float>& scratch) {
  const LayerSpec& spec = pass.network->spec().layers[operation.layer];
  Layer& layer = pass.network->layers()[operation.layer];
  const Part part = part_of(pass, operation, weight_parts(pass, operation), index, block);
  float* bias = part.segment == 0 ? layer.bias_gradient.data() + part.first : nullptr;
  if (layer.compact) return compact_part(pass, operation, part, scratch, bias);
  if (bias != nullptr) bias_gradient(part.planes, part.last - part.first, bias);
  dense_part(pass, operation, part, scratch, layer.gradient.data());
  mask_gradient(spec, layer, part.first, part.last);
}

}  // namespace

void weight_gradient(std::span<const Pass> passes, const Operation& operation, ThreadPool& pool) {
  std::vector<std::vector<float>> scratch(static_cast<std::size_t>(pool.threads()));
  const auto count = [&](const Pass& pass) {
    if (has_joint_gradients(pass, operation)) return std::size_t{0};
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

namespace {

// Of a dense layer, in full order.
void all_dense_layer_gradients(const Pass& pass, const Operation& operation, ThreadPool& pool,
                               std::vector<float>& gradient) {
  constexpr std::size_t kInputs = 64;  // of a part
  const LayerSpec& spec = pass.network->spec().layers[operation.layer];
  const std::size_t pitch = panel_pitch(spec);
  const AlignedBuffer transposed = transposed_output_gradients(pass, operation, pitch);
  const TensorLayout in = pass.workspace->activation_layout(operation.input);
  const ConstUnitPixels inputs{pass.workspace->activation(operation.input),
                               static_cast<std::ptrdiff_t>(in.block_pitch())};
  const std::size_t panels = PanelWeights{nullptr, spec.row_size(), spec.out}.panels();
  const std::size_t chunks = (spec.row_size() + kInputs - 1) / kInputs;
  pool.for_each(panels * chunks, [&](std::size_t part, int) {
    const std::size_t panel = part / chunks;
    const std::size_t first = part % chunks * kInputs;
    const std::size_t last = std::min(first + kInputs, spec.row_size());
    alignas(64) float sums[kInputs * kPanelOutputs];
    weight_gradient_panels(transposed.data(), pitch, pass.workspace->blocks() * kLanes, panel, 1, first, last,
                           pass.network->plan().layers[operation.layer].offsets.data(), inputs, sums);
    for (std::size_t o = panel * kPanelOutputs; o < std::min((panel + 1) * kPanelOutputs, spec.out); ++o) {
      for (std::size_t i = first; i < last; ++i) {
        gradient[o * spec.row_size() + i] = sums[(i - first) * kPanelOutputs + o % kPanelOutputs];
      }
    }
  });
}

}  // namespace

std::vector<std::vector<float>> all_weight_gradients(const Pass& pass, ThreadPool& pool) {
  const NetworkSpec& spec = pass.network->spec();
  if (!pass.network->computes_unread()) throw Error::failure("units that nothing reads have not been computed");
  std::vector<std::vector<float>> gradients(spec.layers.size());
  std::vector<std::vector<float>> scratch(static_cast<std::size_t>(pool.threads()));
  for (const Operation& operation : spec.operations) {
    if (operation.kind != OperationKind::convolution && operation.kind != OperationKind::dense) continue;
    std::vector<float>& gradient = gradients[operation.layer];
    gradient.resize(spec.layers[operation.layer].weights());
    if (operation.kind == OperationKind::dense) {
      all_dense_layer_gradients(pass, operation, pool, gradient);
      continue;
    }
    const Parts parts = dense_parts(spec.layers[operation.layer]);
    pool.for_each(parts.chunks * parts.segments, [&](std::size_t part, int worker) {
      dense_part(pass, operation, part_of(pass, operation, parts, part, std::nullopt),
                 scratch[static_cast<std::size_t>(worker)], gradient.data());
    });
  }
  return gradients;
}

}  // namespace eaudeqn

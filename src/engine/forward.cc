// The forward half of passes.h.
#include <algorithm>

#include "engine/kernels/elementwise.h"
#include "engine/kernels/rows.h"
#include "engine/passes.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kDenseChunk = 48;  // outputs of a dense layer per task; a multiple of every kernel's row block

// One output row of a convolution, all output channels.
void convolution_row(const Network& network, Workspace& workspace, const Operation& operation, std::size_t block,
                     std::size_t y) {
  const NetworkPlan& plan = network.plan();
  const Layer& layer = network.layers()[operation.layer];
  const LayerSpec& spec = plan.spec.layers[operation.layer];
  const LayerPlan& geometry = plan.layers[operation.layer];
  const TensorLayout in = workspace.activation_layout(operation.input);
  const TensorLayout out = workspace.activation_layout(operation.output);
  PixelRow row;
  row.input = workspace.activation(operation.input) + block * in.block_pitch() +
              (y * operation.stride + in.border.top - geometry.pad_top) * in.row_pitch() +
              (in.border.left - geometry.pad_left) * in.lanes;
  row.input_step = static_cast<std::ptrdiff_t>(operation.stride * in.lanes);
  row.output = workspace.activation_for_writing(operation.output) + block * out.block_pitch() + out.offset(0, y, 0);
  row.output_step = static_cast<std::ptrdiff_t>(out.lanes);
  row.pixels = out.width;
  row.lanes = in.lanes;
  Epilogue epilogue;
  epilogue.relu = operation.relu;
  std::size_t residual_pitch = 0;
  if (operation.residual >= 0) {
    const auto tensor = static_cast<std::size_t>(operation.residual);
    const TensorLayout from = workspace.activation_layout(tensor);
    epilogue.residual = workspace.activation(tensor) + block * from.block_pitch() + from.offset(0, y, 0);
    epilogue.residual_step = static_cast<std::ptrdiff_t>(from.lanes);
    residual_pitch = from.channel_pitch();
  }
  if (!layer.compact) {
    DenseRows dense;
    dense.weights = layer.weights.data();
    dense.weight_pitch = static_cast<std::ptrdiff_t>(spec.row_size());
    dense.offsets = geometry.offsets.data();
    dense.count = spec.row_size();
    dense.rows = spec.out;
    dense.output_pitch = static_cast<std::ptrdiff_t>(out.channel_pitch());
    dense.biases = layer.bias.data();
    dense.residual_pitch = static_cast<std::ptrdiff_t>(residual_pitch);
    dense_rows_in_segments(dense, row, epilogue);
    return;
  }
  for (std::size_t o = 0; o < spec.out; ++o) {
    const std::size_t begin = layer.forward.starts[o];
    epilogue.bias = layer.bias.data()[o];
    sparse_row(layer.forward.offsets.data() + begin, layer.weights.data() + begin, layer.forward.starts[o + 1] - begin,
               row, epilogue);
    row.output += out.channel_pitch();
    if (epilogue.residual != nullptr) epilogue.residual += residual_pitch;
  }
}

// One segment of inputs of outputs [first, last) of a compact dense layer, two outputs at a time.
void compact_dense_segment(const Layer& layer, const LayerPlan& geometry, std::size_t segment, std::size_t first,
                           std::size_t last, const float* input, float* output, std::size_t lanes, bool relu) {
  const auto prepare = [&](std::size_t o, PixelRow& row, Epilogue& epilogue) {
    row.input = input;
    row.output = output + o * lanes;
    row.pixels = 1;
    row.lanes = lanes;
    epilogue.bias = layer.bias.data()[o];
    epilogue.accumulate = segment > 0;
    epilogue.relu = relu && segment + 1 == geometry.segments;
    return layer.forward.starts[o * geometry.segments + segment];
  };
  std::size_t o = first;
  for (; o + 2 <= last; o += 2) {
    PixelRow rows[2];
    Epilogue epilogues[2];
    const std::int32_t* offsets[2];
    const float* values[2];
    std::size_t counts[2];
    for (std::size_t r = 0; r < 2; ++r) {
      const std::size_t begin = prepare(o + r, rows[r], epilogues[r]);
      offsets[r] = layer.forward.offsets.data() + begin;
      values[r] = layer.weights.data() + begin;
      counts[r] = layer.forward.starts[(o + r) * geometry.segments + segment + 1] - begin;
    }
    sparse_pixel_pair(offsets, values, counts, rows, epilogues);
  }
  for (; o < last; ++o) {
    PixelRow row;
    Epilogue epilogue;
    const std::size_t begin = prepare(o, row, epilogue);
    sparse_row(layer.forward.offsets.data() + begin, layer.weights.data() + begin,
               layer.forward.starts[o * geometry.segments + segment + 1] - begin, row, epilogue);
  }
}

// Outputs [first, last) of a dense layer.
void dense_chunk(const Network& network, Workspace& workspace, const Operation& operation, std::size_t block,
                 std::size_t first, std::size_t last) {
  const NetworkPlan& plan = network.plan();
  const Layer& layer = network.layers()[operation.layer];
  const LayerSpec& spec = plan.spec.layers[operation.layer];
  const LayerPlan& geometry = plan.layers[operation.layer];
  const TensorLayout in = workspace.activation_layout(operation.input);
  const TensorLayout out = workspace.activation_layout(operation.output);
  const float* input = workspace.activation(operation.input) + block * in.block_pitch();
  float* output = workspace.activation_for_writing(operation.output) + block * out.block_pitch();
  for (std::size_t segment = 0; segment < geometry.segments; ++segment) {
    if (layer.compact) {
      compact_dense_segment(layer, geometry, segment, first, last, input, output, in.lanes, operation.relu);
      continue;
    }
    const std::size_t begin = segment * geometry.segment_size;
    DenseRows dense;
    dense.weights = layer.weights.data() + first * spec.row_size() + begin;
    dense.weight_pitch = static_cast<std::ptrdiff_t>(spec.row_size());
    dense.offsets = geometry.offsets.data() + begin;
    dense.count = std::min(geometry.segment_size, spec.row_size() - begin);
    dense.rows = last - first;
    dense.output_pitch = static_cast<std::ptrdiff_t>(out.lanes);
    dense.biases = layer.bias.data() + first;
    PixelRow row;
    row.input = input;
    row.output = output + first * out.lanes;
    row.pixels = 1;
    row.lanes = in.lanes;
    Epilogue epilogue;
    epilogue.accumulate = segment > 0;
    epilogue.relu = operation.relu && segment + 1 == geometry.segments;
    dense_rows(dense, row, epilogue);
  }
}

// Convolutions: rows. Dense layers: chunks of outputs. The rest: whole blocks.
std::size_t parts_of(const NetworkSpec& spec, const Operation& operation) {
  if (operation.kind == OperationKind::convolution) return spec.tensors[operation.output].height;
  if (operation.kind == OperationKind::dense) return (spec.layers[operation.layer].out + kDenseChunk - 1) / kDenseChunk;
  return 1;
}

void run_part(const Pass& pass, const Operation& operation, std::size_t block, std::size_t part) {
  const Network& network = *pass.network;
  Workspace& workspace = *pass.workspace;
  if (operation.kind == OperationKind::convolution) {
    convolution_row(network, workspace, operation, block, part);
    return;
  }
  if (operation.kind == OperationKind::dense) {
    const std::size_t first = part * kDenseChunk;
    dense_chunk(network, workspace, operation, block, first,
                std::min(first + kDenseChunk, network.spec().layers[operation.layer].out));
    return;
  }
  const TensorLayout in = workspace.activation_layout(operation.input);
  const TensorLayout out = workspace.activation_layout(operation.output);
  const float* input = workspace.activation(operation.input) + block * in.block_pitch();
  float* output = workspace.activation_for_writing(operation.output) + block * out.block_pitch();
  if (operation.kind == OperationKind::relu) {
    relu_forward(in, input, out, output);
  } else {
    max_pool_forward(in, input, out, output);
  }
}

}  // namespace

void forward(std::span<const Pass> passes, ThreadPool& pool) {
  const NetworkSpec& spec = passes[0].network->spec();
  const std::size_t blocks = passes[0].workspace->blocks();
  for (const Operation& operation : spec.operations) {
    const std::size_t parts = parts_of(spec, operation);
    pool.for_each(passes.size() * blocks * parts, [&](std::size_t task, int) {
      run_part(passes[task / (blocks * parts)], operation, task / parts % blocks, task % parts);
    });
  }
}

}  // namespace eaudeqn

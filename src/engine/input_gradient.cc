// The input gradient of a layer, cut into parallel parts: see backward_parts.h. The sums are those of kernels/rows.h
// with the weights transposed (Layer::backward, backward_weights).
#include <algorithm>

#include "engine/backward_parts.h"
#include "engine/compact_rows.h"
#include "engine/kernels/rows.h"
#include "engine/parts.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kFeatures = 64;      // inputs of a dense layer per part, at least
constexpr std::size_t kUnitFeatures = 24;  // inputs that are units, not pixels, summed at once

// What gradients that arrive at `tensor` meet: the derivative of the ReLU that made the tensor.
void mask_by_relu(const Pass& pass, std::size_t tensor, std::size_t first_float, std::size_t step, std::size_t pitch,
                  OutputRows& rows) {
  if (!pass.network->plan().activation_is_relu[tensor]) return;
  rows.relu_source = pass.workspace->activation(tensor) + first_float;
  rows.relu_source_step = static_cast<std::ptrdiff_t>(step);
  rows.relu_source_pitch = static_cast<std::ptrdiff_t>(pitch);
}

// Row y of the input gradient of a convolution, all phases of that row, all input channels.
void convolution_row(const Pass& pass, const Operation& operation, bool is_first, std::size_t block, std::size_t y) {
  Workspace& workspace = *pass.workspace;
  const NetworkPlan& plan = pass.network->plan();
  const Layer& layer = pass.network->layers()[operation.layer];
  const LayerSpec& spec = plan.spec.layers[operation.layer];
  const LayerPlan& geometry = plan.layers[operation.layer];
  const TensorLayout out = workspace.gradient_layout(operation.output);
  const TensorLayout in = workspace.gradient_layout(operation.input);
  const TensorLayout values = workspace.activation_layout(operation.input);
  const std::size_t stride = operation.stride;
  std::vector<std::int32_t> offsets;
  std::size_t arranged = 0;  // first weight of the phase in a dense layer's backward order
  for (std::size_t p = 0; p < geometry.phases.size(); ++p) {
    const GradientPhase& phase = geometry.phases[p];
    const std::size_t phase_weights = spec.out * phase.taps.size();
    const float* weights = layer.backward_weights.data() + arranged;
    arranged += phase_weights * spec.in;
    if (phase.row != y % stride || phase.column >= in.width) continue;
    PixelRow row;
    row.input = workspace.gradient(operation.output) + block * out.block_pitch() + out.offset(0, y / stride, 0);
    row.input_step = static_cast<std::ptrdiff_t>(kLanes);
    row.output = workspace.gradient(operation.input) + block * in.block_pitch() + in.offset(0, y, phase.column);
    row.output_step = static_cast<std::ptrdiff_t>(stride * kLanes);
    row.pixels = (in.width - phase.column + stride - 1) / stride;
    OutputRows rows;
    rows.rows = spec.in;
    rows.output_pitch = static_cast<std::ptrdiff_t>(in.channel_pitch());
    rows.accumulate = !is_first;
    mask_by_relu(pass, operation.input, block * values.block_pitch() + values.offset(0, y, phase.column),
                 stride * kLanes, values.channel_pitch(), rows);
    if (layer.compact) {
      compact_rows(layer.backward, layer.backward_weights.data(), p * spec.in, row, rows);
      continue;
    }
    offsets.clear();
    for (std::size_t o = 0; o < spec.out; ++o) {
      for (const std::int32_t tap : phase.tap_offsets) {
        offsets.push_back(static_cast<std::int32_t>(o) * geometry.gradient_channel_pitch + tap);
      }
    }
    dense_rows_in_segments({weights, static_cast<std::ptrdiff_t>(phase_weights), 1, offsets.data(), phase_weights}, row,
                           rows);
  }
}

// Features of a dense layer that lie evenly spaced in its input tensor: an image row, or a run of units.
std::size_t even_run(const TensorLayout& in) { return in.height * in.width > 1 ? in.width : kUnitFeatures; }

// Where the input gradients of features [first, first + count), evenly spaced, are written and what they meet.
struct Run {
  PixelRow row;  // the blocks of the batch are the pixels
  OutputRows rows;
};
Run run_of(const Pass& pass, const Operation& operation, bool is_first, std::size_t first, std::size_t count) {
  Workspace& workspace = *pass.workspace;
  const TensorLayout out = workspace.gradient_layout(operation.output);
  const TensorLayout in = workspace.gradient_layout(operation.input);
  const TensorLayout values = workspace.activation_layout(operation.input);
  const std::size_t area = in.height * in.width;
  const bool image = area > 1;
  const std::size_t channel = first / area;
  const std::size_t y = first % area / in.width;
  const std::size_t x = first % in.width;
  Run run;
  run.row.input = workspace.gradient(operation.output);
  run.row.input_step = static_cast<std::ptrdiff_t>(out.block_pitch());
  run.row.output = workspace.gradient(operation.input) + in.offset(channel, y, x);
  run.row.output_step = static_cast<std::ptrdiff_t>(in.block_pitch());
  run.row.pixels = workspace.blocks();
  run.rows.rows = count;
  run.rows.output_pitch = static_cast<std::ptrdiff_t>(image ? kLanes : in.channel_pitch());
  run.rows.accumulate = !is_first;
  mask_by_relu(pass, operation.input, values.offset(channel, y, x), values.block_pitch(),
               image ? kLanes : values.channel_pitch(), run.rows);
  return run;
}

// Features [first, last) of a compact dense layer stored by output.
void dense_layer_part(const Pass& pass, const Operation& operation, bool is_first, std::size_t first,
                      std::size_t last) {
  const Layer& layer = pass.network->layers()[operation.layer];
  const std::size_t width = even_run(pass.workspace->gradient_layout(operation.input));
  for (std::size_t feature = first; feature < last; feature += width) {
    const Run run = run_of(pass, operation, is_first, feature, std::min(width, last - feature));
    compact_rows(layer.backward, layer.backward_weights.data(), feature, run.row, run.rows);
  }
}

}  // namespace

void input_gradient_of_block(const Pass& pass, std::size_t index, std::size_t block) {
  const NetworkPlan& plan = pass.network->plan();
  const Operation& operation = plan.spec.operations[index];
  for (std::size_t y = 0; y < plan.spec.tensors[operation.input].height; ++y) {
    convolution_row(pass, operation, plan.gradient_is_first[index], block, y);
  }
}

void input_gradient(std::span<const Pass> passes, std::size_t index, std::size_t first_feature, ThreadPool& pool) {
  const NetworkPlan& plan = passes[0].network->plan();
  const Operation& operation = plan.spec.operations[index];
  const bool is_first = plan.gradient_is_first[index];
  const TensorLayout in = passes[0].workspace->gradient_layout(operation.input);
  if (operation.kind == OperationKind::convolution) {
    for_each_part(
        passes, pool, [&](const Pass& pass) { return pass.workspace->blocks() * in.height; },
        [&](const Pass& pass, std::size_t part, int) {
          convolution_row(pass, operation, is_first, part / in.height, part % in.height);
        });
    return;
  }
  const std::size_t last_feature = plan.spec.layers[operation.layer].row_size();
  const std::size_t features = last_feature - first_feature;
  const std::size_t run = even_run(in);
  const std::size_t part_features = std::max<std::size_t>(1, kFeatures / run) * run;
  for_each_part(
      passes, pool,
      [&](const Pass& pass) {
        return has_joint_gradients(pass, operation) ? 0 : (features + part_features - 1) / part_features;
      },
      [&](const Pass& pass, std::size_t part, int) {
        const std::size_t first = first_feature + part * part_features;
        dense_layer_part(pass, operation, is_first, first, std::min(first + part_features, last_feature));
      });
}

}  // namespace eaudeqn

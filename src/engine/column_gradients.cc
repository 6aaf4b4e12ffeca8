// Both gradients of a dense layer stored by input, cut into parallel parts: see backward_parts.h. The sums are those of
// kernels/columns.h.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "engine/backward_parts.h"
#include "engine/compact_rows.h"
#include "engine/kernels/weight_gradient.h"
#include "engine/parts.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kColumns = 128;  // of a part

void bias_gradients(const Pass& pass, const Operation& operation) {
  const TensorLayout out = pass.workspace->gradient_layout(operation.output);
  GradientPlanes planes;
  planes.output_gradient = pass.workspace->gradient(operation.output);
  planes.gradient_channel_pitch = static_cast<std::ptrdiff_t>(kLanes);
  planes.gradient_step = static_cast<std::ptrdiff_t>(out.block_pitch());
  planes.height = planes.blocks = 1;
  planes.width = pass.workspace->blocks();
  bias_gradient(planes, out.channels, pass.network->layers()[operation.layer].bias_gradient.data());
}

// All segments of columns [first, last), and the Adam step of their weights unless that is null.
void run_part(const Pass& pass, const Operation& operation, ColumnGradients gradients, std::size_t first,
              std::size_t last, const AdamStep* step, float* scratch) {
  Layer& layer = pass.network->layers()[operation.layer];
  const bool accumulate = gradients.accumulate;
  const bool relu = gradients.relu;
  for (std::size_t segment = 0; segment < layer.columns.segments; ++segment) {
    const ColumnWeights columns = columns_of(layer, segment);
    gradients.accumulate = accumulate || segment > 0;
    gradients.relu = relu && segment + 1 == layer.columns.segments;
    backward_columns(columns, first, last, gradients, scratch);
    if (step == nullptr) continue;
    const std::size_t begin = columns.starts[first];
    adam_update(*step, columns.starts[last] - begin, layer.gradient.data() + begin, layer.weights.data() + begin,
                layer.first_moment.data() + begin, layer.second_moment.data() + begin);
  }
}

}  // namespace

void column_gradients(std::span<const Pass> passes, std::size_t index, const WeightUpdate& update,
                      std::size_t first_feature, ThreadPool& pool) {
  const NetworkPlan& plan = passes[0].network->plan();
  const Operation& operation = plan.spec.operations[index];
  if (operation.kind != OperationKind::dense ||
      std::none_of(passes.begin(), passes.end(), [&](const Pass& pass) { return is_by_input(pass, operation); })) {
    return;
  }
  const std::size_t features = plan.spec.layers[operation.layer].in;
  // Weights have gradients in every column, inputs only from first_feature on.
  const std::size_t begin = update.gradient ? 0 : first_feature;
  std::vector<AlignedBuffer> scratch(static_cast<std::size_t>(pool.threads()));
  const auto count = [&](const Pass& pass) {
    return is_by_input(pass, operation) ? (features - begin + kColumns - 1) / kColumns : 0;
  };
  for_each_part(passes, pool, count, [&](const Pass& pass, std::size_t part, int worker) {
    Workspace& workspace = *pass.workspace;
    const auto pitch = [](const TensorLayout& layout) { return static_cast<std::ptrdiff_t>(layout.block_pitch()); };
    ColumnGradients gradients;
    gradients.offsets = plan.layers[operation.layer].offsets.data();
    gradients.gradient_offsets = plan.layers[operation.layer].input_gradient_offsets.data();
    gradients.inputs = {workspace.activation(operation.input), pitch(workspace.activation_layout(operation.input))};
    gradients.output_gradients = {workspace.gradient(operation.output),
                                  pitch(workspace.gradient_layout(operation.output))};
    if (first_feature < features) {
      gradients.input_gradients = {workspace.gradient(operation.input),
                                   pitch(workspace.gradient_layout(operation.input))};
    }
    if (update.gradient) gradients.weights = pass.network->layers()[operation.layer].gradient.data();
    gradients.accumulate = !plan.gradient_is_first[index];
    gradients.relu = plan.activation_is_relu[operation.input];
    gradients.blocks = workspace.blocks();
    AlignedBuffer& sums = scratch[static_cast<std::size_t>(worker)];
    if (sums.size() == 0) sums = AlignedBuffer(kColumnScratch);
    const std::size_t first = begin + part * kColumns;
    const AdamStep* step = update.steps.empty() ? nullptr : &update.steps[static_cast<std::size_t>(&pass - &passes[0])];
    run_part(pass, operation, gradients, first, std::min(first + kColumns, features), step, sums.data());
    if (update.gradient && part == 0) bias_gradients(pass, operation);
  });
}

}  // namespace eaudeqn

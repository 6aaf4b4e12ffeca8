// Both gradients of a dense layer whose weights lie by input (columns) or in panels, cut into parallel parts, and the
// Adam step of a part's weights while they are in the cache: see backward_parts.h. The sums are those of
// kernels/columns.h and kernels/panels.h.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "engine/backward_parts.h"
#include "engine/compact_rows.h"
#include "engine/kernels/panels.h"
#include "engine/kernels/weight_gradient.h"
#include "engine/parts.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kColumns = 128;     // of a part
constexpr std::size_t kPanelInputs = 48;  // of a part: with 512 outputs their weights and moments are 300 KB
constexpr std::size_t kPanelsAtOnce = 2;

// What all parts of one network's layer share, and one thread's working memory.
struct Job {
  const Pass& pass;
  const Operation& operation;
  ColumnGradients gradients;
  const AdamStep* step;     // nullptr: gradients only
  const float* transposed;  // output gradients, see kernels/panels.h
  std::size_t transposed_pitch;

  Layer& layer() const { return pass.network->layers()[operation.layer]; }
  const LayerSpec& spec() const { return pass.network->spec().layers[operation.layer]; }
};

void step_weights(const AdamStep& step, Layer& layer, std::size_t begin, std::size_t count, const float* gradient) {
  adam_update(step, count, gradient, layer.weights.data() + begin, layer.first_moment.data() + begin,
              layer.second_moment.data() + begin);
}

void bias_gradients(const Job& job) {
  const TensorLayout out = job.pass.workspace->gradient_layout(job.operation.output);
  GradientPlanes planes;
  planes.output_gradient = job.gradients.output_gradients.data;
  planes.gradient_channel_pitch = static_cast<std::ptrdiff_t>(kLanes);
  planes.gradient_step = job.gradients.output_gradients.block_pitch;
  planes.height = planes.blocks = 1;
  planes.width = job.gradients.blocks;
  bias_gradient(planes, out.channels, job.layer().bias_gradient.data());
}

// Columns [first, last), all segments.
void column_part(const Job& job, std::size_t first, std::size_t last, float* scratch) {
  Layer& layer = job.layer();
  ColumnGradients gradients = job.gradients;
  for (std::size_t segment = 0; segment < layer.columns.segments; ++segment) {
    const ColumnWeights columns = columns_of(layer, segment);
    gradients.accumulate = job.gradients.accumulate || segment > 0;
    gradients.relu = job.gradients.relu && segment + 1 == layer.columns.segments;
    backward_columns(columns, first, last, gradients, scratch);
    const std::size_t begin = columns.starts[first];
    if (job.step != nullptr) {
      step_weights(*job.step, layer, begin, columns.starts[last] - begin, layer.gradient.data() + begin);
    }
  }
}

// Inputs [first, last) of all panels.
void panel_part(const Job& job, std::size_t first, std::size_t last, float* scratch) {
  Layer& layer = job.layer();
  const PanelWeights panels = panels_of(job.spec(), layer);
  if (job.gradients.input_gradients.data != nullptr) input_gradient_panels(panels, first, last, job.gradients);
  if (job.gradients.weights == nullptr) return;
  const std::size_t size = (last - first) * kPanelOutputs;
  for (std::size_t panel = 0; panel < panels.panels(); panel += kPanelsAtOnce) {
    const std::size_t count = std::min(kPanelsAtOnce, panels.panels() - panel);
    weight_gradient_panels(job.transposed, job.transposed_pitch, job.gradients.blocks * kLanes, panel, count, first,
                           last, job.gradients.offsets, job.gradients.inputs, scratch);
    for (std::size_t p = 0; p < count; ++p) {
      float* gradient = scratch + p * size;
      const std::size_t begin = panels.place((panel + p) * kPanelOutputs, first);
      if (!layer.stored_mask.empty()) keep_masked(layer.stored_mask.data() + begin, size, gradient);
      if (job.step != nullptr) {
        step_weights(*job.step, layer, begin, size, gradient);
      } else {
        std::copy_n(gradient, size, layer.gradient.data() + begin);
      }
    }
  }
}

// The planes of one layer of one network.
ColumnGradients gradients_of(const Pass& pass, std::size_t index, bool weights, bool inputs) {
  const NetworkPlan& plan = pass.network->plan();
  const Operation& operation = plan.spec.operations[index];
  Workspace& workspace = *pass.workspace;
  const auto pitch = [](const TensorLayout& layout) { return static_cast<std::ptrdiff_t>(layout.block_pitch()); };
  ColumnGradients gradients;
  gradients.offsets = plan.layers[operation.layer].offsets.data();
  gradients.gradient_offsets = plan.layers[operation.layer].input_gradient_offsets.data();
  gradients.inputs = {workspace.activation(operation.input), pitch(workspace.activation_layout(operation.input))};
  gradients.output_gradients = {workspace.gradient(operation.output),
                                pitch(workspace.gradient_layout(operation.output))};
  if (inputs) {
    gradients.input_gradients = {workspace.gradient(operation.input),
                                 pitch(workspace.gradient_layout(operation.input))};
  }
  if (weights) gradients.weights = pass.network->layers()[operation.layer].gradient.data();
  gradients.accumulate = !plan.gradient_is_first[index];
  gradients.relu = plan.activation_is_relu[operation.input];
  gradients.blocks = workspace.blocks();
  return gradients;
}

}  // namespace

AlignedBuffer transposed_output_gradients(const Pass& pass, const Operation& operation, std::size_t pitch) {
  const std::size_t blocks = pass.workspace->blocks();
  AlignedBuffer transposed(blocks * kLanes * pitch);
  const TensorLayout out = pass.workspace->gradient_layout(operation.output);
  transpose_output_gradients(
      {pass.workspace->gradient(operation.output), static_cast<std::ptrdiff_t>(out.block_pitch())}, out.channels,
      blocks, pitch, transposed.data());
  return transposed;
}

void joint_gradients(std::span<const Pass> passes, std::size_t index, const WeightUpdate& update,
                     std::size_t first_feature, ThreadPool& pool) {
  const NetworkSpec& spec = passes[0].network->spec();
  const Operation& operation = spec.operations[index];
  const std::size_t features = spec.layers[operation.layer].in;
  // Weights have gradients for every input, inputs only from first_feature on.
  const std::size_t begin = update.gradient ? 0 : first_feature;
  const std::size_t pitch = panel_pitch(spec.layers[operation.layer]);
  std::vector<Job> jobs;
  std::vector<AlignedBuffer> transposed(passes.size());
  pool.for_each(passes.size(), [&](std::size_t i, int) {
    const bool panels = !passes[i].network->layers()[operation.layer].compact;
    if (update.gradient && panels) transposed[i] = transposed_output_gradients(passes[i], operation, pitch);
  });
  for (std::size_t i = 0; i < passes.size(); ++i) {
    jobs.push_back({passes[i], operation, gradients_of(passes[i], index, update.gradient, first_feature < features),
                    update.steps.empty() ? nullptr : &update.steps[i], transposed[i].data(), pitch});
  }
  std::vector<AlignedBuffer> scratch(static_cast<std::size_t>(pool.threads()));
  constexpr std::size_t kScratch = std::max(kColumnScratch, kPanelsAtOnce * kPanelInputs * kPanelOutputs);
  const auto chunk = [&](const Pass& pass) { return is_by_input(pass, operation) ? kColumns : kPanelInputs; };
  const auto count = [&](const Pass& pass) {
    return has_joint_gradients(pass, operation) ? (features - begin + chunk(pass) - 1) / chunk(pass) : 0;
  };
  for_each_part(passes, pool, count, [&](const Pass& pass, std::size_t part, int worker) {
    const Job& job = jobs[static_cast<std::size_t>(&pass - passes.data())];
    AlignedBuffer& own = scratch[static_cast<std::size_t>(worker)];
    if (own.size() == 0) own = AlignedBuffer(kScratch);
    const std::size_t first = begin + part * chunk(pass);
    const std::size_t last = std::min(first + chunk(pass), features);
    if (is_by_input(pass, operation)) {
      column_part(job, first, last, own.data());
    } else {
      panel_part(job, first, last, own.data());
    }
    if (update.gradient && part == 0) bias_gradients(job);
  });
}

}  // namespace eaudeqn

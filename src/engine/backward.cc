// The backward half of passes.h: input gradients, weight gradients of active weights, Adam.
#include <algorithm>
#include <numeric>

#include "engine/kernels/elementwise.h"
#include "engine/kernels/rows.h"
#include "engine/kernels/weight_gradient.h"
#include "engine/passes.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kFeatureChunk = 64;        // inputs of a compact dense layer per input-gradient task
constexpr std::size_t kScratchWeights = 2048;    // running sums of a compact weight-gradient task: 128 KB
constexpr std::size_t kDenseChannels = 4;        // output channels of a dense weight-gradient task
constexpr std::size_t kDenseLayerChannels = 64;  // outputs of a dense layer's weight-gradient task (times one segment)
constexpr std::size_t kAdamChunk = 1 << 15;

// Weights in the order in which the input gradient walks them: [phase][input channel][output channel, tap].
void arrange_backward_weights(const Network& network, std::size_t index, Layer& layer) {
  float* arranged = layer.backward_weights.data();
  const float* weights = layer.weights.data();
  if (layer.compact) {
    for (std::size_t i = 0; i < layer.active; ++i) arranged[i] = weights[layer.backward_entries[i]];
    return;
  }
  const LayerSpec& spec = network.spec().layers[index];
  const std::size_t area = spec.rows * spec.columns;
  for (const GradientPhase& phase : network.plan().layers[index].phases) {
    for (std::size_t c = 0; c < spec.in; ++c) {
      for (std::size_t o = 0; o < spec.out; ++o) {
        for (const std::size_t tap : phase.taps) *arranged++ = weights[o * spec.row_size() + c * area + tap];
      }
    }
  }
}

// What a gradient that arrives at `tensor` meets: the derivative of the ReLU that made the tensor.
void mask_by_relu(const NetworkPlan& plan, Workspace& workspace, std::size_t tensor, std::size_t block,
                  std::size_t offset, std::size_t step, Epilogue& epilogue) {
  if (!plan.activation_is_relu[tensor]) return;
  epilogue.relu_source =
      workspace.activation(tensor) + block * workspace.activation_layout(tensor).block_pitch() + offset;
  epilogue.relu_source_step = static_cast<std::ptrdiff_t>(step);
}

// Row y of the input gradient of a convolution, all phases of that row, all input channels.
void convolution_input_gradient_row(const Pass& pass, const Operation& operation, bool first, std::size_t block,
                                    std::size_t y) {
  const Network& network = *pass.network;
  Workspace& workspace = *pass.workspace;
  const NetworkPlan& plan = network.plan();
  const Layer& layer = network.layers()[operation.layer];
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
    arranged += phase_weights * spec.in;
    if (phase.row != y % stride || phase.column >= in.width) continue;
    PixelRow row;
    row.input = workspace.gradient(operation.output) + block * out.block_pitch() + out.offset(0, y / stride, 0);
    row.input_step = static_cast<std::ptrdiff_t>(out.lanes);
    row.output = workspace.gradient(operation.input) + block * in.block_pitch() + in.offset(0, y, phase.column);
    row.output_step = static_cast<std::ptrdiff_t>(stride * in.lanes);
    row.pixels = (in.width - phase.column + stride - 1) / stride;
    row.lanes = in.lanes;
    Epilogue epilogue;
    epilogue.accumulate = !first;
    mask_by_relu(plan, workspace, operation.input, block, values.offset(0, y, phase.column), stride * in.lanes,
                 epilogue);
    if (!layer.compact) {
      offsets.clear();
      for (std::size_t o = 0; o < spec.out; ++o) {
        for (const std::int32_t tap : phase.tap_offsets) {
          offsets.push_back(static_cast<std::int32_t>(o) * geometry.gradient_channel_pitch + tap);
        }
      }
      DenseRows dense;
      dense.weights = layer.backward_weights.data() + arranged - phase_weights * spec.in;
      dense.weight_pitch = static_cast<std::ptrdiff_t>(phase_weights);
      dense.offsets = offsets.data();
      dense.count = phase_weights;
      dense.rows = spec.in;
      dense.output_pitch = static_cast<std::ptrdiff_t>(in.channel_pitch());
      dense.relu_source_pitch = static_cast<std::ptrdiff_t>(values.channel_pitch());
      dense_rows_in_segments(dense, row, epilogue);
      continue;
    }
    for (std::size_t c = 0; c < spec.in; ++c) {
      const std::size_t begin = layer.backward.starts[p * spec.in + c];
      sparse_row(layer.backward.offsets.data() + begin, layer.backward_weights.data() + begin,
                 layer.backward.starts[p * spec.in + c + 1] - begin, row, epilogue);
      row.output += in.channel_pitch();
      if (epilogue.relu_source != nullptr) epilogue.relu_source += values.channel_pitch();
    }
  }
}

// Where a dense layer's input feature lies in its input tensor.
struct FeaturePlace {
  std::size_t channel, row, column;
};
FeaturePlace place_of(const TensorLayout& layout, std::size_t feature) {
  const std::size_t area = layout.height * layout.width;
  return {feature / area, feature % area / layout.width, feature % layout.width};
}

// Input gradients of features [first, last) of a compact dense layer, two at a time.
void compact_dense_input_gradient(const Pass& pass, const Operation& operation, bool is_first, std::size_t block,
                                  std::size_t first, std::size_t last) {
  Workspace& workspace = *pass.workspace;
  const NetworkPlan& plan = pass.network->plan();
  const Layer& layer = pass.network->layers()[operation.layer];
  const TensorLayout out = workspace.gradient_layout(operation.output);
  const TensorLayout in = workspace.gradient_layout(operation.input);
  const TensorLayout values = workspace.activation_layout(operation.input);
  const auto prepare = [&](std::size_t feature, PixelRow& row, Epilogue& epilogue) {
    const FeaturePlace place = place_of(in, feature);
    row.input = workspace.gradient(operation.output) + block * out.block_pitch();
    row.output = workspace.gradient(operation.input) + block * in.block_pitch() +
                 in.offset(place.channel, place.row, place.column);
    row.pixels = 1;
    row.lanes = in.lanes;
    epilogue.accumulate = !is_first;
    mask_by_relu(plan, workspace, operation.input, block, values.offset(place.channel, place.row, place.column), 0,
                 epilogue);
    return layer.backward.starts[feature];
  };
  std::size_t feature = first;
  for (; feature + 2 <= last; feature += 2) {
    PixelRow rows[2];
    Epilogue epilogues[2];
    const std::int32_t* offsets[2];
    const float* weights[2];
    std::size_t counts[2];
    for (std::size_t r = 0; r < 2; ++r) {
      const std::size_t begin = prepare(feature + r, rows[r], epilogues[r]);
      offsets[r] = layer.backward.offsets.data() + begin;
      weights[r] = layer.backward_weights.data() + begin;
      counts[r] = layer.backward.starts[feature + r + 1] - begin;
    }
    sparse_pixel_pair(offsets, weights, counts, rows, epilogues);
  }
  if (feature < last) {
    PixelRow row;
    Epilogue epilogue;
    const std::size_t begin = prepare(feature, row, epilogue);
    sparse_row(layer.backward.offsets.data() + begin, layer.backward_weights.data() + begin,
               layer.backward.starts[feature + 1] - begin, row, epilogue);
  }
}

// Dense form: features that lie evenly spaced, [first, first + count). Their weights lie a whole row apart, often a
// power of two and so in few sets of the cache: they are copied together first.
void full_dense_input_gradient(const Pass& pass, const Operation& operation, bool is_first, std::size_t block,
                               std::size_t first, std::size_t count, const std::vector<std::int32_t>& offsets,
                               std::vector<float>& packed) {
  Workspace& workspace = *pass.workspace;
  const NetworkPlan& plan = pass.network->plan();
  const Layer& layer = pass.network->layers()[operation.layer];
  const LayerSpec& spec = plan.spec.layers[operation.layer];
  const TensorLayout out = workspace.gradient_layout(operation.output);
  const TensorLayout in = workspace.gradient_layout(operation.input);
  const TensorLayout values = workspace.activation_layout(operation.input);
  packed.resize(count * spec.out);
  for (std::size_t o = 0; o < spec.out; ++o) {
    std::copy_n(layer.weights.data() + o * spec.row_size() + first, count, packed.data() + o * count);
  }
  const FeaturePlace place = place_of(in, first);
  const bool image = in.height * in.width > 1;
  PixelRow row;
  row.input = workspace.gradient(operation.output) + block * out.block_pitch();
  row.output = workspace.gradient(operation.input) + block * in.block_pitch() +
               in.offset(place.channel, place.row, place.column);
  row.pixels = 1;
  row.lanes = in.lanes;
  Epilogue epilogue;
  epilogue.accumulate = !is_first;
  mask_by_relu(plan, workspace, operation.input, block, values.offset(place.channel, place.row, place.column), 0,
               epilogue);
  DenseRows dense;
  dense.weights = packed.data();
  dense.weight_pitch = 1;
  dense.weight_step = static_cast<std::ptrdiff_t>(count);
  dense.offsets = offsets.data();
  dense.count = spec.out;
  dense.rows = count;
  dense.output_pitch = static_cast<std::ptrdiff_t>(image ? in.lanes : in.channel_pitch());
  dense.relu_source_pitch = static_cast<std::ptrdiff_t>(image ? values.lanes : values.channel_pitch());
  dense_rows(dense, row, epilogue);
}

// Features per task of full_dense_input_gradient: an image row, or a run of units.
std::size_t even_run(const TensorLayout& in) { return in.height * in.width > 1 ? in.width : 24; }

void input_gradient(std::span<const Pass> passes, std::size_t index, ThreadPool& pool,
                    std::vector<std::vector<float>>& scratch) {
  const NetworkPlan& plan = passes[0].network->plan();
  const Operation& operation = plan.spec.operations[index];
  const bool first = plan.gradient_is_first[index];
  const std::size_t blocks = passes[0].workspace->blocks();
  const TensorLayout in = passes[0].workspace->gradient_layout(operation.input);
  if (operation.kind == OperationKind::convolution) {
    pool.for_each(passes.size() * blocks * in.height, [&](std::size_t task, int) {
      convolution_input_gradient_row(passes[task / (blocks * in.height)], operation, first, task / in.height % blocks,
                                     task % in.height);
    });
    return;
  }
  const std::size_t features = plan.spec.layers[operation.layer].row_size();
  const std::size_t chunk = std::max(kFeatureChunk, even_run(in));
  const std::size_t run = even_run(in);
  const std::size_t runs_per_task = std::max<std::size_t>(1, chunk / run);
  const std::size_t task_features = runs_per_task * run;
  const std::size_t parts = (features + task_features - 1) / task_features;
  std::vector<std::int32_t> offsets(plan.spec.layers[operation.layer].out);  // output gradients lie one after the other
  std::iota(offsets.begin(), offsets.end(), 0);
  pool.for_each(passes.size() * blocks * parts, [&](std::size_t task, int worker) {
    const Pass& pass = passes[task / (blocks * parts)];
    const std::size_t block = task / parts % blocks;
    const std::size_t begin = task % parts * task_features;
    const std::size_t end = std::min(begin + task_features, features);
    if (pass.network->layers()[operation.layer].compact) {
      compact_dense_input_gradient(pass, operation, first, block, begin, end);
      return;
    }
    for (std::size_t feature = begin; feature < end; feature += run) {
      full_dense_input_gradient(pass, operation, first, block, feature, std::min(run, end - feature), offsets,
                                scratch[static_cast<std::size_t>(worker)]);
    }
  });
}

GradientPlanes planes_of(Workspace& workspace, const Operation& operation, const LayerPlan& geometry) {
  const TensorLayout in = workspace.activation_layout(operation.input);
  const TensorLayout out = workspace.gradient_layout(operation.output);
  GradientPlanes planes;
  planes.output_gradient = workspace.gradient(operation.output) + out.offset(0, 0, 0);
  planes.gradient_channel_pitch = static_cast<std::ptrdiff_t>(out.channel_pitch());
  planes.gradient_row_pitch = static_cast<std::ptrdiff_t>(out.row_pitch());
  planes.gradient_step = static_cast<std::ptrdiff_t>(out.lanes);
  planes.gradient_block_pitch = static_cast<std::ptrdiff_t>(out.block_pitch());
  planes.input = workspace.activation(operation.input);
  if (operation.kind == OperationKind::convolution) {
    planes.input +=
        (in.border.top - geometry.pad_top) * in.row_pitch() + (in.border.left - geometry.pad_left) * in.lanes;
  }
  planes.input_row_pitch = static_cast<std::ptrdiff_t>(in.row_pitch() * operation.stride);
  planes.input_step = static_cast<std::ptrdiff_t>(in.lanes * operation.stride);
  planes.input_block_pitch = static_cast<std::ptrdiff_t>(in.block_pitch());
  planes.height = out.height;
  planes.width = out.width;
  planes.blocks = out.blocks;
  planes.lanes = out.lanes;
  return planes;
}

// Room for the 16 running sums of each of `weights` weights.
float* aligned_scratch(std::vector<float>& scratch, std::size_t weights) {
  scratch.resize(std::max(scratch.size(), weights * 16 + 16));
  return scratch.data() + (64 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 64) % 64 / sizeof(float);
}

// Gradients of the weights of channels [first, last) in one segment.
void weight_gradient_part(const Pass& pass, const Operation& operation, std::size_t first, std::size_t last,
                          std::size_t segment, std::vector<float>& scratch) {
  Network& network = *pass.network;
  const LayerSpec& spec = network.spec().layers[operation.layer];
  const LayerPlan& geometry = network.plan().layers[operation.layer];
  Layer& layer = network.layers()[operation.layer];
  GradientPlanes planes = planes_of(*pass.workspace, operation, geometry);
  planes.output_gradient += static_cast<std::ptrdiff_t>(first) * planes.gradient_channel_pitch;
  if (segment == 0) bias_gradient(planes, last - first, layer.bias_gradient.data() + first);
  if (!layer.compact) {
    const std::size_t begin = segment * geometry.segment_size;
    const std::size_t end = std::min(begin + geometry.segment_size, spec.row_size());
    dense_weight_gradient(planes, last - first, geometry.offsets.data(), begin, end,
                          aligned_scratch(scratch, (last - first) * (end - begin)),
                          layer.gradient.data() + first * spec.row_size(),
                          static_cast<std::ptrdiff_t>(spec.row_size()));
    if (layer.active == layer.mask.size()) return;
    for (std::size_t o = first; o < last; ++o) {
      float* gradient = layer.gradient.data() + o * spec.row_size();
      const std::uint8_t* mask = layer.mask.data() + o * spec.row_size();
      for (std::size_t i = begin; i < end; ++i) gradient[i] = mask[i] != 0 ? gradient[i] : 0.0F;
    }
    return;
  }
  for (std::size_t o = first; o < last;) {  // as many channels at a time as the scratch holds
    std::vector<std::size_t> begins, ends;
    std::size_t total = 0;
    std::size_t next = o;
    while (next < last) {
      const std::size_t at = next * geometry.segments + segment;
      const std::size_t count = layer.forward.starts[at + 1] - layer.forward.starts[at];
      if (next > o && total + count > kScratchWeights) break;
      begins.push_back(layer.forward.starts[at]);
      ends.push_back(layer.forward.starts[at + 1]);
      total += count;
      ++next;
    }
    sparse_weight_gradient(planes, next - o, begins.data(), ends.data(), layer.forward.offsets.data(),
                           aligned_scratch(scratch, total), layer.gradient.data());
    planes.output_gradient += static_cast<std::ptrdiff_t>(next - o) * planes.gradient_channel_pitch;
    o = next;
  }
}

void weight_gradient(std::span<const Pass> passes, const Operation& operation, ThreadPool& pool,
                     std::vector<std::vector<float>>& scratch) {
  const NetworkPlan& plan = passes[0].network->plan();
  const std::size_t out = plan.spec.layers[operation.layer].out;
  const std::size_t chunk = operation.kind == OperationKind::convolution ? kDenseChannels : kDenseLayerChannels;
  const std::size_t chunks = (out + chunk - 1) / chunk;
  const std::size_t segments = plan.layers[operation.layer].segments;
  pool.for_each(passes.size() * segments * chunks, [&](std::size_t task, int worker) {
    const std::size_t first = task % chunks * chunk;
    weight_gradient_part(passes[task / (segments * chunks)], operation, first, std::min(first + chunk, out),
                         task / chunks % segments, scratch[static_cast<std::size_t>(worker)]);
  });
}

// ReLU and max-pooling operations, and the skip connection of a residual convolution.
void elementwise_backward(const Pass& pass, std::size_t index, std::size_t block) {
  Workspace& workspace = *pass.workspace;
  const NetworkPlan& plan = pass.network->plan();
  const Operation& operation = plan.spec.operations[index];
  const TensorLayout out = workspace.gradient_layout(operation.output);
  const float* out_gradient = workspace.gradient(operation.output) + block * out.block_pitch();
  const TensorLayout in = workspace.gradient_layout(operation.input);
  const TensorLayout values = workspace.activation_layout(operation.input);
  const float* input = workspace.activation(operation.input) + block * values.block_pitch();
  float* in_gradient = workspace.gradient(operation.input) + block * in.block_pitch();
  if (operation.kind == OperationKind::relu) {
    relu_backward(values, input, out, out_gradient, in, in_gradient, !plan.gradient_is_first[index]);
  } else {
    std::fill_n(in_gradient, in.block_pitch(), 0.0F);
    max_pool_backward(values, input, out, out_gradient, in, in_gradient);
  }
}

void residual_backward(const Pass& pass, std::size_t index, std::size_t block) {
  Workspace& workspace = *pass.workspace;
  const Operation& operation = pass.network->spec().operations[index];
  const auto residual = static_cast<std::size_t>(operation.residual);
  const TensorLayout out = workspace.gradient_layout(operation.output);
  const TensorLayout to = workspace.gradient_layout(residual);
  copy_or_add(out, workspace.gradient(operation.output) + block * out.block_pitch(), to,
              workspace.gradient(residual) + block * to.block_pitch(), !pass.network->plan().residual_is_first[index]);
}

}  // namespace

void backward(std::span<const Pass> passes, ThreadPool& pool) {
  const NetworkSpec& spec = passes[0].network->spec();
  const std::size_t blocks = passes[0].workspace->blocks();
  std::vector<std::vector<float>> scratch(static_cast<std::size_t>(pool.threads()));
  pool.for_each(passes.size() * spec.layers.size(), [&](std::size_t task, int) {
    Network& network = *passes[task / spec.layers.size()].network;
    Layer& layer = network.layers()[task % spec.layers.size()];
    if (layer.backward_weights.size() > 0) arrange_backward_weights(network, task % spec.layers.size(), layer);
  });
  for (std::size_t index = spec.operations.size(); index-- > 0;) {
    const Operation& operation = spec.operations[index];
    const bool weighted = operation.kind == OperationKind::convolution || operation.kind == OperationKind::dense;
    if (operation.residual >= 0) {
      pool.for_each(passes.size() * blocks,
                    [&](std::size_t task, int) { residual_backward(passes[task / blocks], index, task % blocks); });
    }
    if (weighted) {
      weight_gradient(passes, operation, pool, scratch);
      if (operation.input != 0) input_gradient(passes, index, pool, scratch);
    } else if (operation.input != 0) {
      pool.for_each(passes.size() * blocks,
                    [&](std::size_t task, int) { elementwise_backward(passes[task / blocks], index, task % blocks); });
    }
  }
}

void adam_step(std::span<const Pass> passes, double learning_rate, double epsilon, ThreadPool& pool) {
  struct Piece {
    const AdamStep* step;
    std::size_t count;
    const float* gradient;
    float *weights, *first_moment, *second_moment;
  };
  std::vector<AdamStep> steps;
  steps.reserve(passes.size());
  std::vector<Piece> pieces;
  for (const Pass& pass : passes) {
    steps.emplace_back(learning_rate, epsilon, ++pass.network->optimizer_steps);
    for (Layer& layer : pass.network->layers()) {
      for (std::size_t at = 0; at < layer.weights.size(); at += kAdamChunk) {
        pieces.push_back({&steps.back(), std::min(kAdamChunk, layer.weights.size() - at), layer.gradient.data() + at,
                          layer.weights.data() + at, layer.first_moment.data() + at, layer.second_moment.data() + at});
      }
      pieces.push_back({&steps.back(), layer.bias.size(), layer.bias_gradient.data(), layer.bias.data(),
                        layer.bias_first_moment.data(), layer.bias_second_moment.data()});
    }
  }
  pool.for_each(pieces.size(), [&](std::size_t task, int) {
    const Piece& piece = pieces[task];
    adam_update(*piece.step, piece.count, piece.gradient, piece.weights, piece.first_moment, piece.second_moment);
  });
}

}  // namespace eaudeqn

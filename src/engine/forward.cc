// The forward half of passes.h.
#include <algorithm>

#include "engine/compact_rows.h"
#include "engine/kernels/columns.h"
#include "engine/kernels/elementwise.h"
#include "engine/kernels/max_pool.h"
#include "engine/kernels/panels.h"
#include "engine/kernels/rows.h"
#include "engine/parts.h"
#include "engine/passes.h"
#include "engine/window_rows.h"

namespace eaudeqn {
namespace {

// Of a dense layer per task: many, because each task brings all inputs into the cache once more.
constexpr std::size_t kPanelChunk = 4;      // panels, in dense form
constexpr std::size_t kCompactChunk = 256;  // outputs, in compact form stored by output
constexpr std::size_t kRowChunk = 128;      // outputs, stored by input but walked by output
static_assert(kColumnOutputs % kRowChunk == 0, "a part lies in one segment");

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
  const std::size_t first = block * in.block_pitch() +
                            (y * operation.stride + in.border.top - geometry.pad_top) * in.row_pitch() +
                            (in.border.left - geometry.pad_left) * kLanes;
  if (operation.input == 0 && plan.byte_planes) {
    row.bytes = workspace.byte_input() + first;
  } else {
    row.input = workspace.activation(operation.input) + first;
  }
  row.input_step = static_cast<std::ptrdiff_t>(operation.stride * kLanes);
  row.output = workspace.activation_for_writing(operation.output) + block * out.block_pitch() + out.offset(0, y, 0);
  row.output_step = static_cast<std::ptrdiff_t>(kLanes);
  row.pixels = out.width;
  OutputRows rows;
  rows.rows = spec.out;
  rows.output_pitch = static_cast<std::ptrdiff_t>(out.channel_pitch());
  (row.bytes != nullptr ? rows.byte_biases : rows.biases) = layer.bias.data();
  rows.relu = operation.relu;
  if (operation.residual >= 0) {
    const auto tensor = static_cast<std::size_t>(operation.residual);
    const TensorLayout from = workspace.activation_layout(tensor);
    rows.residual = workspace.activation(tensor) + block * from.block_pitch() + from.offset(0, y, 0);
    rows.residual_step = static_cast<std::ptrdiff_t>(kLanes);
    rows.residual_pitch = static_cast<std::ptrdiff_t>(from.channel_pitch());
  }
  const auto row_size = static_cast<std::ptrdiff_t>(spec.row_size());
  if (layer.compact && !layer.forward.window_offsets.empty()) {
    const LayerIndex& index = layer.forward;
    for_each_window(
        spec, geometry, in, row, rows, [&](std::size_t segment, const PixelRow& part, const OutputRows& outputs) {
          sparse_rows({index.starts.data() + segment * index.rows, index.window_offsets.data(), layer.weights.data()},
                      part, outputs);
        });
  } else if (layer.compact) {
    compact_rows(layer.forward, layer.weights.data(), 0, row, rows);
  } else if (geometry.windows(spec) > 0) {
    const std::size_t window = geometry.window_channels * spec.rows * spec.columns;
    for_each_window(spec, geometry, in, row, rows,
                    [&](std::size_t segment, const PixelRow& part, const OutputRows& outputs) {
                      const std::size_t begin = segment * window;
                      dense_rows({layer.weights.data() + begin, row_size, 1, geometry.window_offsets.data() + begin,
                                  std::min(window, spec.row_size() - begin)},
                                 part, outputs);
                    });
  } else {
    dense_rows_in_segments({layer.weights.data(), row_size, 1, geometry.offsets.data(), spec.row_size()}, row, rows);
  }
}

// Outputs [first, last) of a compact dense layer stored by output; the blocks of the batch are the pixels of its rows.
void compact_chunk(const Network& network, Workspace& workspace, const Operation& operation, std::size_t first,
                   std::size_t last) {
  const Layer& layer = network.layers()[operation.layer];
  const TensorLayout in = workspace.activation_layout(operation.input);
  const TensorLayout out = workspace.activation_layout(operation.output);
  PixelRow row;
  row.input = workspace.activation(operation.input);
  row.input_step = static_cast<std::ptrdiff_t>(in.block_pitch());
  row.output = workspace.activation_for_writing(operation.output) + first * kLanes;
  row.output_step = static_cast<std::ptrdiff_t>(out.block_pitch());
  row.pixels = workspace.blocks();
  OutputRows rows;
  rows.rows = last - first;
  rows.output_pitch = static_cast<std::ptrdiff_t>(kLanes);
  rows.biases = layer.bias.data() + first;
  rows.relu = operation.relu;
  compact_rows(layer.forward, layer.weights.data(), first, row, rows);
}

// Panels [first, last) of a dense layer in dense form.
void panel_chunk(const Network& network, Workspace& workspace, const Operation& operation, std::size_t first,
                 std::size_t last) {
  const Layer& layer = network.layers()[operation.layer];
  const TensorLayout in = workspace.activation_layout(operation.input);
  const TensorLayout out = workspace.activation_layout(operation.output);
  forward_panels(panels_of(network.spec().layers[operation.layer], layer), first, last,
                 network.plan().layers[operation.layer].offsets.data(),
                 {workspace.activation(operation.input), static_cast<std::ptrdiff_t>(in.block_pitch())},
                 layer.bias.data(), operation.relu,
                 {workspace.activation_for_writing(operation.output), static_cast<std::ptrdiff_t>(out.block_pitch())},
                 workspace.blocks());
}

// Outputs [first, last), all of one segment, of a dense layer stored by input: all of it by columns, or some by rows.
void column_outputs(const Network& network, Workspace& workspace, const Operation& operation, std::size_t first,
                    std::size_t last) {
  const Layer& layer = network.layers()[operation.layer];
  const TensorLayout in = workspace.activation_layout(operation.input);
  const TensorLayout out = workspace.activation_layout(operation.output);
  float* sums = workspace.activation_for_writing(operation.output);
  for (std::size_t b = 0; b < workspace.blocks(); ++b) {
    for (std::size_t o = first; o < last; ++o) {
      std::fill_n(sums + b * out.block_pitch() + o * kLanes, kLanes, layer.bias.data()[o]);
    }
  }
  const std::int32_t* offsets = network.plan().layers[operation.layer].offsets.data();
  const ConstUnitPixels from{workspace.activation(operation.input), static_cast<std::ptrdiff_t>(in.block_pitch())};
  const auto pitch = static_cast<std::ptrdiff_t>(out.block_pitch());
  const std::size_t segment = first / kColumnOutputs;
  const std::size_t begin = segment * kColumnOutputs;
  const ColumnWeights columns = columns_of(layer, segment);
  if (layer.columns.row_starts.empty()) {
    forward_columns(columns, 0, layer.columns.columns, offsets, from, {sums, pitch}, workspace.blocks());
  } else {
    alignas(64) float scratch[kRowScratch];
    const std::size_t outputs = network.spec().layers[operation.layer].out;
    forward_column_rows(column_rows_of(layer, segment, std::min(kColumnOutputs, outputs - begin)), first - begin,
                        last - begin, columns, layer.columns.columns, offsets, from, {sums + begin * kLanes, pitch},
                        workspace.blocks(), scratch);
  }
  for (std::size_t b = 0; operation.relu && b < workspace.blocks(); ++b) {
    float* values = sums + b * out.block_pitch();
    for (std::size_t i = first * kLanes; i < last * kLanes; ++i) values[i] = values[i] < 0 ? 0.0F : values[i];
  }
}

// How a dense layer is cut: into panels or outputs, `chunk` of them to a part.
struct DenseParts {
  std::size_t count, chunk;
  std::size_t parts() const { return (count + chunk - 1) / chunk; }
};
DenseParts dense_parts(const Pass& pass, const Operation& operation) {
  const Layer& layer = pass.network->layers()[operation.layer];
  const LayerSpec& spec = pass.network->spec().layers[operation.layer];
  if (layer.by_input()) return {spec.out, layer.columns.row_starts.empty() ? kColumnOutputs : kRowChunk};
  if (layer.compact) return {spec.out, kCompactChunk};
  return {panels_of(spec, layer).panels(), kPanelChunk};
}

void dense_part(const Pass& pass, const Operation& operation, std::size_t part) {
  const DenseParts parts = dense_parts(pass, operation);
  const std::size_t first = part * parts.chunk;
  const std::size_t last = std::min(first + parts.chunk, parts.count);
  const Layer& layer = pass.network->layers()[operation.layer];
  if (layer.by_input()) {
    column_outputs(*pass.network, *pass.workspace, operation, first, last);
  } else if (layer.compact) {
    compact_chunk(*pass.network, *pass.workspace, operation, first, last);
  } else {
    panel_chunk(*pass.network, *pass.workspace, operation, first, last);
  }
}

// Row `y` of what an operation makes that is no dense layer, all channels of one block.
void run_row(const Pass& pass, const Operation& operation, std::size_t block, std::size_t y) {
  Workspace& workspace = *pass.workspace;
  if (operation.kind == OperationKind::convolution) {
    return convolution_row(*pass.network, workspace, operation, block, y);
  }
  const TensorLayout in = workspace.activation_layout(operation.input);
  const TensorLayout out = workspace.activation_layout(operation.output);
  const float* input = workspace.activation(operation.input) + block * in.block_pitch();
  float* output = workspace.activation_for_writing(operation.output) + block * out.block_pitch();
  if (operation.kind == OperationKind::relu) return relu_row(in, input, out, output, y);
  std::uint8_t* choices = workspace.pool_choices(operation.output);
  if (choices != nullptr) choices += block * pool_choices_size(out);
  max_pool_row(in, input, out, output, choices, y);
}

// Dense layers: see above. The rest: rows of a block.
std::size_t parts_of(const Pass& pass, const Operation& operation) {
  if (operation.kind == OperationKind::dense) return dense_parts(pass, operation).parts();
  return pass.workspace->blocks() * pass.network->spec().tensors[operation.output].height;
}

void run_part(const Pass& pass, const Operation& operation, std::size_t part) {
  if (operation.kind == OperationKind::dense) return dense_part(pass, operation, part);
  const std::size_t height = pass.network->spec().tensors[operation.output].height;
  run_row(pass, operation, part / height, part % height);
}

// How many rows of its input an operation must have for rows 0 .. y of its output.
std::size_t rows_read(const NetworkSpec& spec, const Operation& operation, std::size_t y) {
  if (operation.kind == OperationKind::relu) return y + 1;
  const std::size_t inputs = spec.tensors[operation.input].height;
  const std::size_t kernel =
      operation.kind == OperationKind::convolution ? spec.layers[operation.layer].rows : kPoolRows;
  return std::min(inputs, y * operation.stride + kernel - same_padding(inputs, kernel, operation.stride).before);
}

// One block of the batch goes through operations [first, last], none of them a dense layer: each row is computed when
// another one needs it, so that what it reads is still in the cache.
class RowsOnDemand {
 public:
  RowsOnDemand(const Pass& pass, std::size_t first, std::size_t last, std::size_t block)
      : pass_(pass), block_(block), operation_of_(pass.network->spec().tensors.size(), nullptr) {
    for (std::size_t index = first; index <= last; ++index) {
      const Operation& operation = pass.network->spec().operations[index];
      operation_of_[operation.output] = &operation;
    }
    done_.resize(operation_of_.size());
  }

  // The first `rows` rows of a tensor are there afterwards.
  void compute(std::size_t tensor, std::size_t rows) {
    if (operation_of_[tensor] == nullptr) return;  // it was there before
    const Operation& operation = *operation_of_[tensor];
    for (std::size_t& done = done_[tensor]; done < rows; ++done) {
      compute(operation.input, rows_read(pass_.network->spec(), operation, done));
      if (operation.residual >= 0) compute(static_cast<std::size_t>(operation.residual), done + 1);
      run_row(pass_, operation, block_, done);
    }
  }

 private:
  const Pass& pass_;
  std::size_t block_;
  std::vector<const Operation*> operation_of_;  // that makes each tensor, of those asked for
  std::vector<std::size_t> done_;               // rows of each tensor
};

}  // namespace

void forward(std::span<const Pass> passes, ThreadPool& pool) {
  const NetworkSpec& spec = passes[0].network->spec();
  const std::size_t blocks = passes.size() * passes[0].workspace->blocks();
  for (std::size_t index = 0; index < spec.operations.size(); ++index) {
    const Operation& operation = spec.operations[index];
    if (operation.kind == OperationKind::dense || blocks < static_cast<std::size_t>(pool.threads())) {
      for_each_part(
          passes, pool, [&](const Pass& pass) { return parts_of(pass, operation); },
          [&](const Pass& pass, std::size_t part, int) { run_part(pass, operation, part); });
      continue;
    }
    const std::size_t first = index;
    while (index + 1 < spec.operations.size() && spec.operations[index + 1].kind != OperationKind::dense) ++index;
    for_each_part(
        passes, pool, [](const Pass& pass) { return pass.workspace->blocks(); },
        [&](const Pass& pass, std::size_t block, int) {
          const std::size_t output = spec.operations[index].output;
          RowsOnDemand(pass, first, index, block).compute(output, spec.tensors[output].height);
        });
  }
}

}  // namespace eaudeqn

// The backward half of passes.h: the order of the gradients, what has no weights, and Adam.
#include <algorithm>

#include "eaudeqn/error.h"
#include "engine/backward_parts.h"
#include "engine/kernels/elementwise.h"
#include "engine/kernels/max_pool.h"
#include "engine/passes.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kAdamChunk = 1 << 15;

// Weights in the order in which the input gradient walks them: [phase][input channel][output channel, tap].
void arrange_backward_weights(const Network& network, std::size_t index, Layer& layer) {
  float* arranged = layer.backward_weights.data();
  const float* weights = layer.weights.data();
  if (layer.compact) {
    for (std::size_t i = 0; i < layer.walked; ++i) arranged[i] = weights[layer.backward_entries[i]];
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
    const std::uint8_t* choices = workspace.pool_choices(operation.output) + block * pool_choices_size(out);
    max_pool_backward(out, out_gradient, choices, in, in_gradient);
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

void arrange_all_backward_weights(std::span<const Pass> passes, ThreadPool& pool) {
  const std::size_t layers = passes[0].network->layers().size();
  pool.for_each(passes.size() * layers, [&](std::size_t task, int) {
    Network& network = *passes[task / layers].network;
    Layer& layer = network.layers()[task % layers];
    if (layer.backward_weights.size() > 0) arrange_backward_weights(network, task % layers, layer);
  });
}

// Operations [first, last] backwards, one block of the batch after the other, so that what one leaves is still in the
// cache when the next one reads it. On this thread; none of them is a dense layer.
void blocks_backward(const Pass& pass, std::size_t first, std::size_t last, std::vector<float>& scratch) {
  for (std::size_t block = 0; block < pass.workspace->blocks(); ++block) {
    for (std::size_t index = last + 1; index-- > first;) {
      const Operation& operation = pass.network->spec().operations[index];
      if (operation.residual >= 0) residual_backward(pass, index, block);
      if (operation.kind == OperationKind::convolution) {
        weight_gradient_of_block(pass, operation, block, scratch);
        if (operation.input != 0) input_gradient_of_block(pass, index, block);
      } else if (operation.input != 0) {
        elementwise_backward(pass, index, block);
      }
    }
  }
}

// The same, all threads on each operation.
void operation_backward(std::span<const Pass> passes, std::size_t index, ThreadPool& pool) {
  const Operation& operation = passes[0].network->spec().operations[index];
  const std::size_t blocks = passes[0].workspace->blocks();
  const auto for_each_block = [&](const auto& work) {
    pool.for_each(passes.size() * blocks,
                  [&](std::size_t task, int) { work(passes[task / blocks], index, task % blocks); });
  };
  if (operation.residual >= 0) for_each_block(residual_backward);
  if (operation.kind == OperationKind::convolution) {
    weight_gradient(passes, operation, pool);
    if (operation.input != 0) input_gradient(passes, index, 0, pool);
  } else if (operation.input != 0) {
    for_each_block(elementwise_backward);
  }
}

// `steps`: one for each pass, or none where only gradients are wanted.
void run_backward(std::span<const Pass> passes, std::span<const AdamStep> steps, ThreadPool& pool) {
  const NetworkSpec& spec = passes[0].network->spec();
  std::vector<float> scratch;
  arrange_all_backward_weights(passes, pool);
  for (std::size_t index = spec.operations.size(); index-- > 0;) {
    const Operation& operation = spec.operations[index];
    if (operation.kind == OperationKind::dense) {
      weight_gradient(passes, operation, pool);
      if (operation.input != 0) input_gradient(passes, index, 0, pool);
      joint_gradients(passes, index, {true, steps}, operation.input != 0 ? 0 : spec.layers[operation.layer].in, pool);
    } else if (pool.threads() == 1) {
      const std::size_t last = index;
      while (index > 0 && spec.operations[index - 1].kind != OperationKind::dense) --index;
      for (const Pass& pass : passes) blocks_backward(pass, index, last, scratch);
    } else {
      operation_backward(passes, index, pool);
    }
  }
}

std::vector<AdamStep> next_steps(std::span<const Pass> passes, double learning_rate, double epsilon) {
  std::vector<AdamStep> steps;
  steps.reserve(passes.size());
  for (const Pass& pass : passes) steps.emplace_back(learning_rate, epsilon, ++pass.network->optimizer_steps);
  return steps;
}

// How many of a layer's weights joint_gradients steps: all that it walks.
std::size_t stepped_weights(const LayerSpec& spec, const Layer& layer) {
  if (!has_joint_gradients(spec, layer)) return 0;
  return layer.compact ? layer.walked : layer.weights.size();
}

// Biases, and the weights that joint_gradients has not stepped already (if `stepped_jointly`).
void step_layers(std::span<const Pass> passes, std::span<const AdamStep> steps, bool stepped_jointly,
                 ThreadPool& pool) {
  struct Piece {
    const AdamStep* step;
    std::size_t count;
    const float* gradient;
    float *weights, *first_moment, *second_moment;
  };
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < passes.size(); ++i) {
    const NetworkSpec& spec = passes[i].network->spec();
    for (std::size_t l = 0; l < spec.layers.size(); ++l) {
      Layer& layer = passes[i].network->layers()[l];
      const std::size_t weights = layer.weights.size();
      for (std::size_t at = stepped_jointly ? stepped_weights(spec.layers[l], layer) : 0; at < weights;
           at += kAdamChunk) {
        pieces.push_back({&steps[i], std::min(kAdamChunk, weights - at), layer.gradient.data() + at,
                          layer.weights.data() + at, layer.first_moment.data() + at, layer.second_moment.data() + at});
      }
      pieces.push_back({&steps[i], layer.bias.size(), layer.bias_gradient.data(), layer.bias.data(),
                        layer.bias_first_moment.data(), layer.bias_second_moment.data()});
    }
  }
  pool.for_each(pieces.size(), [&](std::size_t task, int) {
    const Piece& piece = pieces[task];
    adam_update(*piece.step, piece.count, piece.gradient, piece.weights, piece.first_moment, piece.second_moment);
  });
}

}  // namespace

void backward(std::span<const Pass> passes, ThreadPool& pool) { run_backward(passes, {}, pool); }

void backward_to_input(std::span<const Pass> passes, std::size_t first_unit, ThreadPool& pool) {
  const NetworkSpec& spec = passes[0].network->spec();
  if (spec.architecture.kind != "mlp") throw Error::failure("only of an mlp is the gradient of the input at hand");
  arrange_all_backward_weights(passes, pool);
  for (std::size_t index = spec.operations.size(); index-- > 0;) {
    const std::size_t first_feature = spec.operations[index].input == 0 ? first_unit : 0;
    input_gradient(passes, index, first_feature, pool);
    joint_gradients(passes, index, {false, {}}, first_feature, pool);
  }
}

void adam_step(std::span<const Pass> passes, double learning_rate, double epsilon, ThreadPool& pool) {
  step_layers(passes, next_steps(passes, learning_rate, epsilon), false, pool);
}

void backward_and_adam(std::span<const Pass> passes, double learning_rate, double epsilon, ThreadPool& pool) {
  const std::vector<AdamStep> steps = next_steps(passes, learning_rate, epsilon);
  run_backward(passes, steps, pool);
  step_layers(passes, steps, true, pool);
}

}  // namespace eaudeqn

// The two gradients of one layer, each in its own file (input_gradient.cc, weight_gradients.cc), and both at once of
// dense layers but for compact ones stored by output (joint_gradients.cc), which the former two leave out; backward.cc
// calls them in order. Inside the engine only.
#pragma once

#include <span>
#include <vector>

#include "engine/kernels/elementwise.h"
#include "engine/passes.h"

namespace eaudeqn {

// d loss / d input of operation `index`, a convolution or dense layer; of a dense layer only for the inputs from
// `first_feature` on, where they are a vector.
void input_gradient(std::span<const Pass> passes, std::size_t index, std::size_t first_feature, ThreadPool& pool);

// d loss / d weight (of active weights) and d loss / d bias of a convolution or dense layer.
void weight_gradient(std::span<const Pass> passes, const Operation& operation, ThreadPool& pool);

// The same of one block of the batch of a convolution, on this thread; blocks must come in order.
void input_gradient_of_block(const Pass& pass, std::size_t index, std::size_t block);
void weight_gradient_of_block(const Pass& pass, const Operation& operation, std::size_t block,
                              std::vector<float>& scratch);

// What a layer's weights are to get: nothing, their gradient, or the Adam step of it (one of `steps` for each pass).
struct WeightUpdate {
  bool gradient = true;
  std::span<const AdamStep> steps;
};

// Whether joint_gradients is for this network.
inline bool is_by_input(const Pass& pass, const Operation& operation) {
  return pass.network->layers()[operation.layer].by_input();
}
inline bool has_joint_gradients(const LayerSpec& spec, const Layer& layer) {
  return !spec.convolution && (layer.by_input() || !layer.compact);
}
inline bool has_joint_gradients(const Pass& pass, const Operation& operation) {
  return has_joint_gradients(pass.network->spec().layers[operation.layer], pass.network->layers()[operation.layer]);
}

// Both, of a dense layer of those networks: of weights and bias as `update` says, and d loss / d input from
// `first_feature` on unless that is past the last one. An Adam step leaves the bias out, and `gradient` undefined where
// the layer is in dense form.
void joint_gradients(std::span<const Pass> passes, std::size_t index, const WeightUpdate& update,
                     std::size_t first_feature, ThreadPool& pool);

// The output gradients of a dense layer as kernels/panels.h wants them, and their pitch: an odd number of cache lines,
// so that the samples' gradients of a panel, which are read again for every few inputs, meet all sets of the
// first-level cache and not a few of them.
AlignedBuffer transposed_output_gradients(const Pass& pass, const Operation& operation, std::size_t pitch);
inline std::size_t panel_pitch(const LayerSpec& spec) { return (spec.out + 31) / 32 * 32 + 16; }

}  // namespace eaudeqn

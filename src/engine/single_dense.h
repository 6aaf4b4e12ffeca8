// The weights of one dense layer, arranged for one sample. Own copies, in the quickest of three forms:
//   columns   dense; inputs that are 0 after ReLU are skipped
//   groups    sparse; eight outputs side by side, each with its own list of inputs
//   windows   sparse, for wide vectors: outputs side by side pick from a few inputs held in one register
// or the network's own arrays in place (rows, input columns, panels), which costs nothing when the weights change.
// Kernels: kernels/matrix_vector.h. Convolutions: single_weights.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/network.h"

namespace eaudeqn {

// Working memory for one layer at a time; sized once for all layers of a network.
struct SingleDenseScratch {
  AlignedBuffer sums, inputs;
  std::vector<std::uint32_t> nonzero;
};

class SingleDense {
 public:
  enum class Form { columns, groups, windows, rows, input_columns, panels };

  void copy(const LayerSpec& spec, const LayerWeights& weights);
  // Reads the layer's arrays: valid as long as they are.
  void refer_to(const LayerSpec& spec, const Layer& layer);

  Form form() const { return form_; }
  std::size_t outputs() const { return outputs_; }
  // Floats of sums, and inputs listed, that run() needs.
  static std::size_t scratch_sums(const LayerSpec& spec) { return (spec.out + 63) / 64 * 64; }

  // outputs[o] for every output, before ReLU. `input`: all features, with the borders of the batch engine if the form
  // is rows, else without; it can be read kMostWindowInputs floats further.
  void run(const float* input, SingleDenseScratch& scratch, float* outputs) const;

 private:
  void arrange_columns(const LayerWeights& weights);
  void arrange_groups(const LayerWeights& weights);
  void arrange_windows(const LayerWeights& weights);
  void sort_outputs(std::span<const std::size_t> counts);
  std::size_t list_nonzero(const float* input, SingleDenseScratch& scratch) const;
  void run_columns(const float* input, SingleDenseScratch& scratch) const;
  void run_panels(const float* input, SingleDenseScratch& scratch, float* outputs) const;

  Form form_ = Form::columns;
  std::size_t outputs_ = 0, inputs_ = 0;
  std::vector<std::uint32_t> order_;  // output of each sum; by number of weights, so that neighbours have about as many
  AlignedBuffer biases_;              // in that order
  std::vector<std::size_t> starts_;
  AlignedBuffer values_;
  std::vector<std::uint16_t> indices_, bases_;
  std::vector<std::uint32_t> picks_;
  const Layer* layer_ = nullptr;  // in place
};

}  // namespace eaudeqn

// Where the values of ONE sample lie, so that a convolution can treat a whole output plane as one run of floats: the
// batch-1 counterpart of layer_plan.h. Geometry of a network spec only; no weights (single_weights.h), no activations
// (single_forward.h).
//
// Output and input of a convolution have the same pitch between rows, so the input cell under a tap lies at ONE
// distance from every output cell; a convolution with stride s reads its input split into s x s phases (cells with
// equal remainders of row and column), where the same holds. Between the rows lies a gap of zeros that serves as the
// right border of one row and the left border of the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/aligned_buffer.h"
#include "engine/layer_plan.h"
#include "engine/plane_layout.h"

namespace eaudeqn {

struct ConvolutionGeometry {
  bool split = false;  // reads a split input; else the tensor's planes
  SplitLayout input;
  std::size_t first = 0;              // where the window of output cell (0, 0) starts in the planes it reads
  std::vector<std::int32_t> offsets;  // [row_size] floats from there
  AlignedBuffer mask;  // over the run of an output plane, whole vectors: all bits set at cells, none in gaps and beyond
};

class SingleGeometry {
 public:
  explicit SingleGeometry(std::shared_ptr<const NetworkPlan> plan);

  const std::shared_ptr<const NetworkPlan>& plan() const { return plan_; }
  const NetworkSpec& spec() const { return plan_->spec; }
  const PlaneLayout& tensor(std::size_t tensor) const { return tensors_[tensor]; }
  const ConvolutionGeometry& convolution(std::size_t layer) const { return convolutions_[layer]; }
  // Only one strided convolution reads the input: observations are split as they are loaded. Else its operation is -1.
  int operation_that_splits_the_input() const { return input_splitter_; }
  // Place of feature f = (channel, row, column) of a tensor in its planes.
  std::size_t place(std::size_t tensor, std::size_t feature) const;

 private:
  void choose_pitches();
  void choose_planes();
  void plan_convolution(const Operation& operation);

  std::shared_ptr<const NetworkPlan> plan_;
  std::vector<PlaneLayout> tensors_;
  std::vector<ConvolutionGeometry> convolutions_;  // by layer
  int input_splitter_ = -1;
};

}  // namespace eaudeqn

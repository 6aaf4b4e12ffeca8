// One network's weights as single_forward.h reads them: own copies arranged for speed, or the network's own arrays with
// an index beside them. No activations. Layout of the planes: single_geometry.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/single_dense.h"
#include "engine/single_geometry.h"

namespace eaudeqn {

struct SingleConvolution {
  bool dense = false;  // all weights; else starts and offsets of the active ones
  const std::size_t* starts = nullptr;
  std::size_t segments = 1;
  std::vector<std::int32_t> offsets;
  std::vector<std::uint32_t> order;  // channels by number of weights
  const float* values = nullptr;
  const float* biases = nullptr;
  std::vector<std::size_t> own_starts;
  AlignedBuffer own_values, own_biases;
};

// Movable. Thread safety: const methods may run beside each other.
class SingleWeights {
 public:
  explicit SingleWeights(std::shared_ptr<const SingleGeometry> geometry);

  // For many forward passes with the same weights (evaluation, deployment): copies all of them, in tens of
  // milliseconds; the network may change or go afterwards.
  void copy(const Network& network);
  // For weights that change between forward passes (acting while training): reads the network's arrays in place, so
  // later updates are seen. Costs nothing but where masks changed since the last call. Call it again after set_layer;
  // the network must stay where it is meanwhile.
  void refer_to(const Network& network);

  const SingleGeometry& geometry() const { return *geometry_; }
  const SingleConvolution& convolution(std::size_t layer) const { return convolutions_[layer]; }
  const SingleDense& dense(std::size_t layer) const { return dense_[layer]; }

 private:
  void copy_convolution(std::size_t layer, const LayerWeights& weights);
  void refer_to_convolution(std::size_t layer, const Layer& from, bool masks_changed);

  std::shared_ptr<const SingleGeometry> geometry_;
  std::vector<SingleConvolution> convolutions_;  // by layer; one of the two is used
  std::vector<SingleDense> dense_;
  std::vector<std::uint64_t> masks_seen_;  // by layer, of the network referred to; 0: none
};

}  // namespace eaudeqn

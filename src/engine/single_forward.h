// The forward pass of one observation on one thread, as fast as its active weights allow: acting, evaluation,
// deployment. Batches and training: passes.h.
//
// Results equal those of passes.h bit for bit as long as activations are finite, except that a zero may have the other
// sign. Where an activation is infinite or NaN: NaN reaches every output that depends on it through active weights
// alone, as in passes.h (but for max-pooling, which may drop NaN in both), and may reach others, because inactive
// weights can be multiplied as zeros.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "engine/kernels/instruction_set.h"
#include "engine/single_geometry.h"
#include "engine/single_weights.h"

namespace eaudeqn {

// Activations of one sample, for any number of networks of one spec; nothing is allocated after construction.
// Thread safety: one owner.
class SingleForward {
 public:
  // `wide_loads` changes the speed alone: what pays on this machine unless said.
  explicit SingleForward(std::shared_ptr<const SingleGeometry> geometry, bool wide_loads = wide_loads_pay());

  // observation: [C][H*W], bytes or floats as the architecture says. Returns the network's outputs, valid until the
  // next call. Throws Error::failure for another size. `weights` must be of the same geometry.
  std::span<const float> forward(const SingleWeights& weights, std::span<const std::byte> observation);

  const std::shared_ptr<const SingleGeometry>& geometry() const { return geometry_; }

 private:
  void load(std::span<const std::byte> observation);
  void convolution(const SingleWeights& weights, std::size_t operation);
  void dense(const SingleWeights& weights, const Operation& operation);
  const float* flatten(std::size_t tensor, bool with_borders);

  std::shared_ptr<const SingleGeometry> geometry_;
  bool wide_loads_;
  std::vector<AlignedBuffer> tensors_;
  std::vector<AlignedBuffer> splits_;  // by operation, empty where its input is not split
  AlignedBuffer observation_, flat_, pool_row_, outputs_;
  SingleDenseScratch scratch_;
};

}  // namespace eaudeqn

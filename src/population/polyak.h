// A target network that follows online networks by small steps instead of being copied (Polyak averaging).
// Which network it follows is population.h's to say.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/network.h"

namespace eaudeqn {

// Moves one target. Thread safety: one owner.
class PolyakAverage {
 public:
  // To be called before the first move and whenever the masks of `target` changed otherwise than by follow_masks.
  void index(const Network& target);

  // Makes active in `target` exactly the weights that are active in some network of `online`. Those that remain keep
  // their values, new ones are 0. To be called whenever masks of `online` changed.
  void follow_masks(std::span<const Network* const> online, Network& target);

  // target <- (1 - tau) target + tau online, weights and biases.
  void move(const Network& online, double tau, Network& target) const;

 private:
  std::vector<std::vector<std::uint32_t>> places_;  // per compact layer: where each entry's weight is stored
};

}  // namespace eaudeqn

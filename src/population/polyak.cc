// See polyak.h.
#include "population/polyak.h"

#include <algorithm>

namespace eaudeqn {
namespace {

void move_all(const float* online, std::size_t count, float tau, float* target) {
  const float rest = 1.0F - tau;
  for (std::size_t i = 0; i < count; ++i) target[i] = rest * target[i] + tau * online[i];
}

std::vector<std::uint8_t> joint_mask(std::span<const Network* const> online, std::size_t layer) {
  std::vector<std::uint8_t> mask(online[0]->layers()[layer].mask.size(), 0);
  for (const Network* network : online) {
    const std::vector<std::uint8_t>& other = network->layers()[layer].mask;
    for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = mask[i] | other[i];
  }
  return mask;
}

}  // namespace

void PolyakAverage::index(const Network& target) {
  places_.resize(target.layers().size());
  for (std::size_t l = 0; l < target.layers().size(); ++l) {
    const Layer& layer = target.layers()[l];
    places_[l].clear();
    if (!layer.compact) continue;
    places_[l].resize(layer.mask.size());
    for (std::size_t i = 0; i < layer.active; ++i) places_[l][layer.positions[i]] = static_cast<std::uint32_t>(i);
  }
}

void PolyakAverage::follow_masks(std::span<const Network* const> online, Network& target) {
  for (std::size_t l = 0; l < target.layers().size(); ++l) {
    const std::vector<std::uint8_t> mask = joint_mask(online, l);
    if (mask == target.layers()[l].mask) continue;
    LayerWeights weights = target.layer_weights(l);
    weights.mask = mask;
    for (std::size_t i = 0; i < mask.size(); ++i) {
      if (mask[i] == 0) weights.weights[i] = 0;
    }
    target.set_layer(l, weights);
  }
  index(target);
}

void PolyakAverage::move(const Network& online, double tau, Network& target) const {
  const auto step = static_cast<float>(tau);
  for (std::size_t l = 0; l < target.layers().size(); ++l) {
    const Layer& from = online.layers()[l];
    Layer& to = target.layers()[l];
    move_all(from.bias.data(), from.bias.size(), step, to.bias.data());
    float* weights = to.weights.data();
    if (!from.compact && !to.compact) {
      move_all(from.weights.data(), from.weights.size(), step, weights);
      continue;
    }
    for (std::size_t i = 0; i < to.weights.size(); ++i) weights[i] *= 1.0F - step;
    if (!from.compact) {  // while it computes units that nothing reads, an online network may be dense alone
      for (std::size_t i = 0; i < to.active; ++i) {
        weights[i] += step * from.weights.data()[online.place(l, to.positions[i])];
      }
      continue;
    }
    for (std::size_t i = 0; i < from.active; ++i) {
      const std::uint32_t entry = from.positions[i];
      weights[to.compact ? places_[l][entry] : target.place(l, entry)] += step * from.weights.data()[i];
    }
  }
}

}  // namespace eaudeqn

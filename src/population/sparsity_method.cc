// See sparsity_method.h.
#include "population/sparsity_method.h"

#include <algorithm>
#include <cmath>

#include "eaudeqn/error.h"
#include "sparsity/next_sparsity.h"
#include "sparsity/polynomial.h"
#include "sparsity/topology.h"
#include "sparsity/units.h"

namespace eaudeqn {
namespace {

// Sets the masks of all layers; what becomes inactive becomes 0, what becomes active is 0 already.
void apply_masks(std::vector<LayerWeights>& layers, const std::vector<std::vector<std::uint8_t>>& masks, Network& to) {
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l].mask = masks[l];
    for (std::size_t i = 0; i < masks[l].size(); ++i) {
      if (!masks[l][i]) layers[l].weights[i] = 0;
    }
  }
  to.set_layers(layers);
}

std::vector<LayerWeights> all_layers(const Network& network) {
  std::vector<LayerWeights> layers;
  for (std::size_t l = 0; l < network.layers().size(); ++l) layers.push_back(network.layer_weights(l));
  return layers;
}

std::vector<PrunableLayer> prunable(const Network& network, const std::vector<LayerWeights>& layers) {
  std::vector<PrunableLayer> views;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    views.push_back({network.spec().layers[l].shape(), layers[l].weights, layers[l].mask});
  }
  return views;
}

std::vector<std::vector<std::size_t>> shapes_of(const Network& network) {
  std::vector<std::vector<std::size_t>> shapes;
  for (const LayerSpec& layer : network.spec().layers) shapes.push_back(layer.shape());
  return shapes;
}

}  // namespace

void copy_pruned(const Network& from, double sparsity, Distribution distribution, Network& to) {
  std::vector<LayerWeights> layers = all_layers(from);
  const auto masks = magnitude_masks(prunable(from, layers), sparsity, distribution);
  apply_masks(layers, masks, to);
}

void copy_without_units(const Network& from, double sparsity, Distribution distribution, Network& to) {
  std::vector<LayerWeights> layers = all_layers(from);
  const auto masks = unit_masks(prunable(from, layers), from.plan().unit_classes, sparsity, distribution);
  apply_masks(layers, masks, to);
}

SparsityMethod::Method SparsityMethod::parse(const std::string& name) {
  if (name == "dense") return Method::dense;
  if (name == "eaude") return Method::eaude;
  if (name == "distill") return Method::distill;
  if (name == "polynomial") return Method::polynomial;
  if (name == "static") return Method::fixed;
  if (name == "set") return Method::set;
  if (name == "rigl") return Method::rigl;
  throw Error::usage("sparsity.method: unknown value '" + name +
                     "'; use dense, eaude, distill, polynomial, static, set or rigl");
}

SparsityMethod::SparsityMethod(const Config& config)
    : method_(parse(config.sparsity.method)),
      config_(config.sparsity),
      distribution_(parse_distribution(config.sparsity.distribution)),
      steps_(config.training.steps),
      target_update_period_(config.training.target_update_period) {}

void SparsityMethod::begin(Network& network, RandomStream& stream) const {
  if (method_ != Method::fixed && !moves()) return;
  std::vector<LayerWeights> layers = all_layers(network);
  const auto masks = random_masks(shapes_of(network), config_.final, distribution_, stream);
  // Of n inputs only a share is left: as much louder they must be, or what arrives at the last layer is its biases.
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const auto active = static_cast<double>(std::count(masks[l].begin(), masks[l].end(), std::uint8_t{1}));
    const auto scale = static_cast<float>(std::sqrt(static_cast<double>(masks[l].size()) / active));
    for (float& weight : layers[l].weights) weight *= scale;
  }
  apply_masks(layers, masks, network);
}

void SparsityMethod::prune(const Network& from, double sparsity, Network& to) const {
  const auto copy = config_.granularity == "unit" ? copy_without_units : copy_pruned;
  copy(from, sparsity, distribution_, to);
}

// The polynomial schedule has one event at or after its end, so that it arrives; the moves of SET and RigL stop there.
bool SparsityMethod::changes_at(std::int64_t step) const {
  const std::int64_t end = method_ == Method::polynomial ? config_.end + config_.period : config_.end;
  return (moves() || method_ == Method::polynomial) && step > 0 && step >= config_.start && step < end &&
         step % config_.period == 0;
}

void SparsityMethod::change(Network& network, std::int64_t step, const WeightGradients& gradients,
                            RandomStream& stream) const {
  if (method_ == Method::polynomial) {
    prune(network, polynomial_sparsity(step, config_.start, config_.end, config_.final), network);
    return;
  }
  const double share = drop_share(step, config_.start, config_.end, config_.drop_share);
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights layer = network.layer_weights(l);
    const PrunableLayer view{network.spec().layers[l].shape(), layer.weights, layer.mask};
    const Move move = method_ == Method::rigl ? rigl_move(view, gradients.at(l), share) : set_move(view, share, stream);
    for (const std::size_t i : move.dropped) layer.mask[i] = 0, layer.weights[i] = 0;
    for (const std::size_t i : move.grown) layer.mask[i] = 1;  // its weight and its moments are 0
    if (!move.dropped.empty()) network.set_layer(l, layer);
  }
}

std::optional<double> SparsityMethod::copy_sparsity(double selected_sparsity, std::int64_t step,
                                                    RandomStream& stream) const {
  if (method_ == Method::distill) return polynomial_sparsity(step, config_.start, config_.end, config_.final);
  if (method_ != Method::eaude) return std::nullopt;
  const double exponent = stream.uniform(0.0, config_.max_noise);
  return next_sparsity(selected_sparsity, step, steps_, target_update_period_, exponent, config_.max_speed);
}

}  // namespace eaudeqn

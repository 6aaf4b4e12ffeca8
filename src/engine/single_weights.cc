// See single_weights.h.
#include "engine/single_weights.h"

#include <algorithm>
#include <numeric>
#include <span>

namespace eaudeqn {
namespace {

// Denser than this, the dense form of a convolution is faster (measured: docs/performance.md).
constexpr double kDenseShare = 0.6;

// Channels by their number of weights in all segments.
std::vector<std::uint32_t> by_length(std::span<const std::size_t> starts, std::size_t channels) {
  std::vector<std::size_t> counts(channels, 0);
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) counts[i % channels] += starts[i + 1] - starts[i];
  std::vector<std::uint32_t> order(channels);
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return counts[a] < counts[b]; });
  return order;
}

// Units that nothing reads have no weights here, only their biases.
LayerWeights read_weights(const Network& network, std::size_t index) {
  LayerWeights weights = network.layer_weights(index);
  const Mask& read = network.layers()[index].read_rows;
  const std::size_t row_size = weights.mask.size() / read.size();
  for (std::size_t i = 0; i < weights.mask.size(); ++i) {
    if (read[i / row_size] == 0) weights.mask[i] = 0, weights.weights[i] = 0;
  }
  return weights;
}

}  // namespace

SingleWeights::SingleWeights(std::shared_ptr<const SingleGeometry> geometry)
    : geometry_(std::move(geometry)),
      convolutions_(geometry_->spec().layers.size()),
      dense_(geometry_->spec().layers.size()),
      masks_seen_(geometry_->spec().layers.size(), 0) {}

void SingleWeights::copy(const Network& network) {
  const NetworkSpec& spec = geometry_->spec();
  for (const Operation& operation : spec.operations) {
    if (operation.kind == OperationKind::convolution) {
      copy_convolution(operation.layer, read_weights(network, operation.layer));
    }
    if (operation.kind == OperationKind::dense) {
      dense_[operation.layer].copy(spec.layers[operation.layer], read_weights(network, operation.layer));
    }
  }
  std::fill(masks_seen_.begin(), masks_seen_.end(), std::uint64_t{0});
}

void SingleWeights::copy_convolution(std::size_t layer, const LayerWeights& weights) {
  const LayerSpec& spec = geometry_->spec().layers[layer];
  const std::vector<std::int32_t>& offsets = geometry_->convolution(layer).offsets;
  SingleConvolution to;
  std::vector<float> values;
  const auto active = std::count(weights.mask.begin(), weights.mask.end(), std::uint8_t{1});
  to.dense = static_cast<double>(active) > kDenseShare * static_cast<double>(weights.mask.size());
  to.own_starts.push_back(0);
  for (std::size_t i = 0; i < weights.weights.size(); ++i) {
    if (to.dense || weights.mask[i] != 0) values.push_back(weights.weights[i]);
    if (!to.dense && weights.mask[i] != 0) to.offsets.push_back(offsets[i % spec.row_size()]);
    if ((i + 1) % spec.row_size() == 0) to.own_starts.push_back(values.size());
  }
  to.own_values = AlignedBuffer(values.size());
  std::copy(values.begin(), values.end(), to.own_values.data());
  to.own_biases = AlignedBuffer(spec.out);
  std::copy(weights.bias.begin(), weights.bias.end(), to.own_biases.data());
  to.order = by_length(to.own_starts, spec.out);
  to.starts = to.own_starts.data();
  to.values = to.own_values.data();
  to.biases = to.own_biases.data();
  convolutions_[layer] = std::move(to);
}

void SingleWeights::refer_to(const Network& network) {
  const NetworkSpec& spec = geometry_->spec();
  for (const Operation& operation : spec.operations) {
    const std::size_t l = operation.layer;
    if (operation.kind != OperationKind::convolution && operation.kind != OperationKind::dense) continue;
    const Layer& layer = network.layers()[l];
    const bool masks_changed = masks_seen_[l] != layer.masks_version;
    if (operation.kind == OperationKind::convolution) refer_to_convolution(l, layer, masks_changed);
    if (operation.kind == OperationKind::dense) {
      dense_[l].refer_to(spec.layers[l], layer);
    }
    masks_seen_[l] = layer.masks_version;
  }
}

void SingleWeights::refer_to_convolution(std::size_t layer, const Layer& from, bool masks_changed) {
  SingleConvolution& to = convolutions_[layer];
  to.dense = !from.compact;
  to.starts = from.forward.starts.data();
  to.segments = from.forward.segments;
  to.values = from.weights.data();
  to.biases = from.bias.data();
  if (to.dense || !masks_changed) return;
  const std::vector<std::int32_t>& offsets = geometry_->convolution(layer).offsets;
  to.order = by_length(from.forward.starts, from.forward.rows);
  to.offsets.resize(from.active);
  for (std::size_t i = 0; i < from.active; ++i) to.offsets[i] = offsets[from.positions[i] % offsets.size()];
}

}  // namespace eaudeqn

// See smaller_network.h.
#include "engine/smaller_network.h"

#include <algorithm>

#include "engine/unit_classes.h"

namespace eaudeqn {
namespace {

using Mask = std::vector<std::uint8_t>;

// For each layer which rows (outputs) and which entries of a row (inputs) stay.
struct Kept {
  Mask rows, entries;
};

std::vector<Kept> everything(const NetworkSpec& spec) {
  std::vector<Kept> kept;
  for (const LayerSpec& layer : spec.layers) {
    kept.push_back({Mask(layer.out, std::uint8_t{1}), Mask(layer.row_size(), std::uint8_t{1})});
  }
  return kept;
}

// Whether a row that stays has an active weight for unit `u`.
bool is_read(const LayerWeights& layer, const Kept& kept, std::size_t u, std::size_t width) {
  const std::size_t row_size = kept.entries.size();
  for (std::size_t o = 0; o < kept.rows.size(); ++o) {
    if (kept.rows[o] == 0) continue;
    const auto first = layer.mask.begin() + static_cast<std::ptrdiff_t>(o * row_size + u * width);
    const auto last = first + static_cast<std::ptrdiff_t>(width);
    if (std::find(first, last, std::uint8_t{1}) != last) return true;
  }
  return false;
}

LayerWeights smaller(const LayerWeights& layer, const Kept& kept) {
  LayerWeights result;
  for (std::size_t o = 0; o < kept.rows.size(); ++o) {
    if (kept.rows[o] == 0) continue;
    result.bias.push_back(layer.bias[o]);
    for (std::size_t i = 0; i < kept.entries.size(); ++i) {
      if (kept.entries[i] == 0) continue;
      result.weights.push_back(layer.weights[o * kept.entries.size() + i]);
      result.mask.push_back(layer.mask[o * kept.entries.size() + i]);
    }
  }
  return result;
}

// Marks the dead units of one class in `kept`; returns how many units stay.
std::size_t remove_dead(const UnitClass& units, const std::vector<LayerWeights>& layers, std::vector<Kept>& kept) {
  std::vector<std::size_t> dead;
  for (std::size_t u = 0; u < units.units; ++u) {
    const bool read = std::any_of(units.consumers.begin(), units.consumers.end(), [&](std::size_t l) {
      return is_read(layers[l], kept[l], u, kept[l].entries.size() / units.units);
    });
    if (!read) dead.push_back(u);
  }
  if (dead.size() == units.units) dead.pop_back();
  for (const std::size_t u : dead) {
    for (const std::size_t l : units.producers) kept[l].rows[u] = 0;
    for (const std::size_t l : units.consumers) {
      const std::size_t width = kept[l].entries.size() / units.units;
      std::fill_n(kept[l].entries.begin() + static_cast<std::ptrdiff_t>(u * width), width, std::uint8_t{0});
    }
  }
  return units.units - dead.size();
}

}  // namespace

Network without_dead_units(const Network& network) {
  const NetworkSpec& spec = network.spec();
  const std::vector<UnitClass> classes = unit_classes(spec);
  std::vector<LayerWeights> layers;
  for (std::size_t l = 0; l < spec.layers.size(); ++l) layers.push_back(network.layer_weights(l));
  std::vector<Kept> kept = everything(spec);
  std::vector<std::size_t> left(classes.size());
  // From the outputs on, so that what only removed units read goes too. A class that skip connections tie has consumers
  // on both sides of its inner classes: repeated until nothing more goes.
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t c = classes.size(); c-- > 0;) {
      const std::size_t before = left[c];
      left[c] = remove_dead(classes[c], layers, kept);
      changed = changed || left[c] != before;
    }
  }
  Architecture architecture = spec.architecture;
  const bool whole = std::equal(left.begin(), left.end(), classes.begin(), classes.end(),
                                [](std::size_t units, const UnitClass& all) { return units == all.units; });
  if (!whole) architecture.units = left;
  Network result(std::make_shared<NetworkPlan>(make_network_spec(architecture)), false);
  for (std::size_t l = 0; l < layers.size(); ++l) result.set_layer(l, smaller(layers[l], kept[l]));
  return result;
}

}  // namespace eaudeqn

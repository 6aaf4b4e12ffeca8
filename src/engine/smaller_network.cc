// See smaller_network.h.
#include "engine/smaller_network.h"

#include <algorithm>

#include "engine/read_units.h"

namespace eaudeqn {
namespace {

// The rows and entries that stay.
LayerWeights smaller(const LayerWeights& layer, const ReadLayer& kept) {
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

}  // namespace

Network without_dead_units(const Network& network) {
  const NetworkSpec& spec = network.spec();
  const std::vector<UnitClass>& classes = network.plan().unit_classes;
  const ReadUnits read = read_units(spec, classes, network.masks());
  Architecture architecture = spec.architecture;
  const bool whole = std::equal(read.units.begin(), read.units.end(), classes.begin(), classes.end(),
                                [](std::size_t units, const UnitClass& all) { return units == all.units; });
  if (!whole) architecture.units = read.units;
  Network result(std::make_shared<NetworkPlan>(make_network_spec(architecture)), false);
  std::vector<LayerWeights> layers;
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    layers.push_back(smaller(network.layer_weights(l), read.layers[l]));
  }
  result.set_layers(layers);
  return result;
}

}  // namespace eaudeqn

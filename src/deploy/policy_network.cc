// See policy_network.h.
#include "deploy/policy_network.h"

#include <fmt/format.h>

#include <algorithm>

#include "eaudeqn/error.h"
#include "engine/smaller_network.h"

namespace eaudeqn {

Policy make_policy(const Network& network, std::map<std::string, std::string> metadata) {
  Policy policy;
  policy.metadata = std::move(metadata);
  policy.metadata["architecture"] = to_json(network.spec().architecture);
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    const LayerSpec& spec = network.spec().layers[l];
    const LayerWeights weights = network.layer_weights(l);
    PolicyLayer layer;
    layer.name = spec.name;
    layer.shape = spec.shape();
    layer.bias = weights.bias;
    layer.row_starts.push_back(0);
    for (std::size_t i = 0; i < weights.weights.size(); ++i) {
      if (weights.mask[i]) {
        layer.values.push_back(weights.weights[i]);
        layer.columns.push_back(static_cast<std::uint32_t>(i % spec.row_size()));
      }
      if ((i + 1) % spec.row_size() == 0) layer.row_starts.push_back(static_cast<std::uint32_t>(layer.values.size()));
    }
    policy.layers.push_back(std::move(layer));
  }
  policy.metadata["sparsity"] = fmt::format("{}", policy.sparsity());
  return policy;
}

Network make_network(const Policy& policy, const std::string& origin) {
  const auto found = policy.metadata.find("architecture");
  if (found == policy.metadata.end()) throw Error::failure(origin + ": the metadata has no architecture");
  NetworkSpec spec;
  try {
    spec = make_network_spec(architecture_from_json(found->second));
  } catch (const Error& error) {
    throw Error::failure(origin + ": " + error.what());
  }
  if (spec.layers.size() != policy.layers.size()) {
    throw Error::failure(
        fmt::format("{}: has {} layers, its architecture needs {}", origin, policy.layers.size(), spec.layers.size()));
  }
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    if (policy.layers[l].name != spec.layers[l].name || policy.layers[l].shape != spec.layers[l].shape()) {
      throw Error::failure(fmt::format("{}: layer {} does not have the name and shape of {} in its architecture",
                                       origin, policy.layers[l].name, spec.layers[l].name));
    }
  }
  std::vector<LayerWeights> layers;
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const PolicyLayer& layer = policy.layers[l];
    LayerWeights weights{std::vector<float>(spec.layers[l].weights(), 0.0F),
                         std::vector<std::uint8_t>(spec.layers[l].weights(), 0), layer.bias};
    for (std::size_t row = 0; row + 1 < layer.row_starts.size(); ++row) {
      for (std::size_t i = layer.row_starts[row]; i < layer.row_starts[row + 1]; ++i) {
        const std::size_t at = row * spec.layers[l].row_size() + layer.columns[i];
        weights.weights[at] = layer.values[i];
        weights.mask[at] = 1;
      }
    }
    layers.push_back(std::move(weights));
  }
  Network network(std::make_shared<NetworkPlan>(spec), false);
  network.set_layers(layers);
  return network;
}

Policy without_dead_units(const Policy& policy, const std::string& origin) {
  const bool integers = std::any_of(policy.layers.begin(), policy.layers.end(),
                                    [](const PolicyLayer& layer) { return !layer.scales.empty(); });
  const Network network = make_network(policy, origin);
  if (integers) return policy;
  const Network smaller = without_dead_units(network);
  if (smaller.spec().architecture == network.spec().architecture) return policy;
  Policy result = make_policy(smaller, policy.metadata);
  const auto trained = policy.metadata.find("sparsity");
  if (trained != policy.metadata.end()) result.metadata["sparsity"] = trained->second;
  return result;
}

}  // namespace eaudeqn

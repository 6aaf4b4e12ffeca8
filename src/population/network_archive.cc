// See network_archive.h.
#include "population/network_archive.h"

#include <algorithm>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

// The engine counts the ones of a mask and then trusts that number.
void check(const ArchiveReader& archive, const std::string& section, const LayerSpec& spec,
           const LayerWeights& weights) {
  if (weights.weights.size() != spec.weights() || weights.mask.size() != spec.weights() ||
      weights.bias.size() != spec.out) {
    throw Error::failure(archive.file().string() + ": section " + section + " does not have the layer's shape");
  }
  if (std::any_of(weights.mask.begin(), weights.mask.end(), [](std::uint8_t bit) { return bit > 1; })) {
    throw Error::failure(archive.file().string() + ": section " + section + "mask holds something else than 0 and 1");
  }
}

}  // namespace

void save_network(ArchiveWriter& archive, const std::string& prefix, const Network& network) {
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    const std::string name = prefix + network.spec().layers[l].name + "/";
    const LayerWeights weights = network.layer_weights(l);
    archive.add<float>(name + "weights", weights.weights);
    archive.add<std::uint8_t>(name + "mask", weights.mask);
    archive.add<float>(name + "bias", weights.bias);
    if (!network.trainable()) continue;
    const Network::Moments moments = network.layer_moments(l);
    archive.add<float>(name + "first_moment", moments.first);
    archive.add<float>(name + "second_moment", moments.second);
    archive.add<float>(name + "bias_first_moment", moments.bias_first);
    archive.add<float>(name + "bias_second_moment", moments.bias_second);
  }
  archive.add_value(prefix + "optimizer_steps", network.optimizer_steps);
}

void load_network(const ArchiveReader& archive, const std::string& prefix, Network& network) {
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    const LayerSpec& spec = network.spec().layers[l];
    const std::string name = prefix + spec.name + "/";
    const LayerWeights weights{archive.values<float>(name + "weights"), archive.values<std::uint8_t>(name + "mask"),
                               archive.values<float>(name + "bias")};
    check(archive, name, spec, weights);
    network.set_layer(l, weights);
    if (!network.trainable()) continue;
    const Network::Moments moments{
        archive.values<float>(name + "first_moment"), archive.values<float>(name + "second_moment"),
        archive.values<float>(name + "bias_first_moment"), archive.values<float>(name + "bias_second_moment")};
    if (moments.first.size() != spec.weights() || moments.second.size() != spec.weights() ||
        moments.bias_first.size() != spec.out || moments.bias_second.size() != spec.out) {
      throw Error::failure(archive.file().string() + ": section " + name + " does not have the layer's shape");
    }
    network.set_layer_moments(l, moments);
  }
  network.optimizer_steps = archive.value<std::int64_t>(prefix + "optimizer_steps");
}

}  // namespace eaudeqn

// See network_archive.h.
#include "population/network_archive.h"

#include <algorithm>
#include <cstring>
#include <vector>

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

template <typename T>
bool equal_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

bool equal_bits(const Network& a, const Network& b) {
  bool equal = a.optimizer_steps == b.optimizer_steps && a.trainable() == b.trainable();
  for (std::size_t l = 0; equal && l < a.layers().size(); ++l) {
    const LayerWeights one = a.layer_weights(l), other = b.layer_weights(l);
    equal =
        equal_bits(one.mask, other.mask) && equal_bits(one.weights, other.weights) && equal_bits(one.bias, other.bias);
    if (!equal || !a.trainable()) continue;
    const Network::Moments moments = a.layer_moments(l), others = b.layer_moments(l);
    equal = equal_bits(moments.first, others.first) && equal_bits(moments.second, others.second) &&
            equal_bits(moments.bias_first, others.bias_first) && equal_bits(moments.bias_second, others.bias_second);
  }
  return equal;
}

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

// What the probes write for the Python tests: arrays as .npy files in one directory. Not a test.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/npy.h"
#include "engine/network.h"

namespace eaudeqn {

// Thread safety: one owner.
class ProbeWriter {
 public:
  explicit ProbeWriter(const std::filesystem::path& directory) : directory_(directory) {
    std::filesystem::create_directories(directory);
  }

  template <typename T>
  void array(const std::string& name, const std::string& type, const std::vector<std::size_t>& shape,
             const std::vector<T>& values) const {
    write_npy(directory_ / (name + ".npy"), type, shape, std::as_bytes(std::span(values)));
  }

  // PREFIX.LAYER.weight and PREFIX.LAYER.bias of every layer.
  void network(const std::string& prefix, const Network& network) const {
    for (std::size_t l = 0; l < network.layers().size(); ++l) {
      const LayerSpec& layer = network.spec().layers[l];
      const LayerWeights weights = network.layer_weights(l);
      array(prefix + "." + layer.name + ".weight", "f4", layer.shape(), weights.weights);
      array(prefix + "." + layer.name + ".bias", "f4", {layer.out}, weights.bias);
    }
  }

  // mask.NAME.LAYER of every layer.
  void masks(const std::string& name, const Network& network) const {
    for (std::size_t l = 0; l < network.layers().size(); ++l) {
      const LayerSpec& layer = network.spec().layers[l];
      array("mask." + name + "." + layer.name, "u1", layer.shape(), network.layer_weights(l).mask);
    }
  }

 protected:
  std::filesystem::path directory_;
};

}  // namespace eaudeqn

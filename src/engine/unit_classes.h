// Which channels and neurons of a network can be removed, and what goes with them. A description that follows from the
// spec; which ones are removed is sparsity/units.h, how a smaller network results is smaller_network.h.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/network_spec.h"

namespace eaudeqn {

// Units 0 .. units - 1 that exist or go together in all these layers. Unit u is row u of each producer, and in each
// consumer the inputs u * width .. (u + 1) * width - 1, width = row_size / units, of every row (a convolution's channel
// with its kernel; the flattened plane of a channel in a dense layer). Layers are indices into NetworkSpec::layers.
struct UnitClass {
  std::size_t units = 0;
  std::vector<std::size_t> producers, consumers;
};

// In network order. Tensors that are connected by ReLU, pooling or addition share one class, so that the units that a
// skip connection ties go together. Inputs and outputs of the network are in none.
std::vector<UnitClass> unit_classes(const NetworkSpec& spec);

}  // namespace eaudeqn

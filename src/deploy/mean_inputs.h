// What the weights of a policy's layers multiply, on average over observations: for quantize (quantize.h).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "deploy/policy.h"

namespace eaudeqn {

// For each layer as many means as its rows have weights, in their order: over the observations and, where a layer is a
// convolution, over the positions of its outputs, with zeros outside of the borders. `observations` are planes of
// `count` samples as the network reads them. Empty if there are none. Equal for any number of threads. Throws what
// make_network throws; `origin` is what errors call the policy.
std::vector<std::vector<float>> mean_inputs(const Policy& policy, const std::string& origin,
                                            std::span<const std::byte> observations, std::size_t count, int threads);

}  // namespace eaudeqn

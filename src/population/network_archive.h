// Networks in checkpoints: weights, masks, biases and, of trainable ones, Adam's moments and step count.
#pragma once

#include <string>

#include "core/archive.h"
#include "engine/network.h"

namespace eaudeqn {

void save_network(ArchiveWriter& archive, const std::string& prefix, const Network& network);

// Into a network of the same spec. Throws Error::failure naming the section that is missing or of another shape.
void load_network(const ArchiveReader& archive, const std::string& prefix, Network& network);

// Whether all that is saved of two networks of one spec is the same.
bool equal_bits(const Network& a, const Network& b);

}  // namespace eaudeqn

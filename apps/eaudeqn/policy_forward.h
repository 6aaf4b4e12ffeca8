// A policy's network on the rows of a .npy file, for commands that check or show what a policy computes. Acting in an
// environment: experiment/evaluation.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/npy.h"
#include "engine/network.h"

namespace eaudeqn {

// The rows as the network reads them: planes for images. `array` is (batch, H, W, C) uint8, newest frame last, or
// (batch, n) of floats. Throws Error::failure naming `file` where that is not the network's shape or type.
std::vector<std::byte> planes_of(const Architecture& architecture, const NpyArray& array, const std::string& file);

// [count][outputs]. `observations` are planes of `count` samples. Equal for any number of threads.
std::vector<float> forward_rows(Network& network, const std::vector<std::byte>& observations, std::size_t count,
                                int threads);

}  // namespace eaudeqn

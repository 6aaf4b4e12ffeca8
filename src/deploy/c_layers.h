// A policy's layers as the generated C program stores them: streams of weights and gaps in the order in which it uses
// them, and where its activations lie. No text; that is c_header.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "deploy/policy.h"
#include "engine/network_spec.h"

namespace eaudeqn {

// The weights of a layer row by row. A row of a convolution is an output channel and its places are those of (in, rows,
// columns); a row of a dense layer is an input, so that inputs which are 0 cost nothing, and its places are outputs.
// Inputs of images are taken in the order row, column, channel, in which observations come.
struct CLayer {
  bool gapped = false;                // false: all entries are stored, zeros too, and gaps and counts are empty
  std::vector<float> weights;         // one of the two, by whether the policy has scales
  std::vector<std::int8_t> integers;  //
  std::vector<std::uint8_t> gaps;     // per weight the places skipped before it; further gaps have weights of 0 in them
  std::vector<std::uint32_t> counts;  // weights per row
};

// Stores the layer in the smaller form.
CLayer make_c_layer(const PolicyLayer& layer, const NetworkSpec& spec, std::size_t index);

// Places of the activations in one array of floats, which are reused once a tensor is not needed any more.
struct CWorkspace {
  std::vector<std::size_t> offsets;  // by tensor; of no meaning for the input and the output
  std::size_t size = 0;              // floats
};
CWorkspace make_c_workspace(const NetworkSpec& spec);

}  // namespace eaudeqn

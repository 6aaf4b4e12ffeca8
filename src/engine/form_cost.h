// Which form of a layer is cheaper to train, dense or compact: a cost model whose figures were measured, not a
// measurement, so that the choice depends on the layer's shape and its number of active weights alone and the same
// config takes the same path on every machine. The forms' results agree within float rounding.
#pragma once

#include <cstddef>

#include "engine/network_spec.h"

namespace eaudeqn {

enum class LayerForm { cheapest, dense, compact };

// How a layer is used, besides its shape.
struct LayerUse {
  std::size_t positions = 1;  // output positions at which each weight is used (NetworkSpec::positions)
  bool by_input = false;  // how the plan stores compact dense layers (NetworkPlan::dense_by_input), which also tells
                          // small batches from large ones
  bool bytes = false;     // it reads the input as bytes, whose gradient nobody wants (LayerPlan::reads_bytes)
};

// Estimated time of forward, backward and Adam per 32 samples, in nanoseconds of the machine of form_cost_figures.h.
// Pure.
double dense_cost(const LayerSpec& layer, const LayerUse& use);
double compact_cost(const LayerSpec& layer, const LayerUse& use, std::size_t active);

bool compact_is_cheaper(const LayerSpec& layer, const LayerUse& use, std::size_t active);

}  // namespace eaudeqn

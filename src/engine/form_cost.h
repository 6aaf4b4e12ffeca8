// Which form of a layer is cheaper to train, dense or compact: a cost model whose figures were measured, not a
// measurement, so that the choice depends on the layer's shape and its number of active weights alone and the same
// config takes the same path on every machine. The forms' results agree within float rounding.
#pragma once

#include <cstddef>

#include "engine/network_spec.h"

namespace eaudeqn {

enum class LayerForm { cheapest, dense, compact };

// Estimated time of forward, backward and Adam per 32 samples, in nanoseconds of the machine of form_cost_figures.h.
// positions: output positions at which each weight is used (NetworkSpec::positions). by_input: how the plan stores
// compact dense layers (NetworkPlan::dense_by_input), which also tells small batches from large ones. Pure.
double dense_cost(const LayerSpec& layer, std::size_t positions, bool by_input);
double compact_cost(const LayerSpec& layer, std::size_t positions, std::size_t active, bool by_input);

bool compact_is_cheaper(const LayerSpec& layer, std::size_t positions, std::size_t active, bool by_input);

}  // namespace eaudeqn

// See form_cost.h.
#include "engine/form_cost.h"

#include "engine/form_cost_figures.h"

namespace eaudeqn {

double dense_cost(const LayerSpec& layer, std::size_t positions, bool by_input) {
  const DenseFigures& figures = layer.convolution ? kDenseConvolution : by_input ? kDenseLayer : kDenseLayerManySamples;
  return figures.per_product * static_cast<double>(layer.weights() * positions);
}

double compact_cost(const LayerSpec& layer, std::size_t positions, std::size_t active, bool by_input) {
  const CompactFigures& figures = layer.convolution ? kCompactConvolution
                                  : by_input        ? kCompactLayer
                                                    : kCompactLayerManySamples;
  // A row of one output (forward) or of one input (backward) begins and ends once per position, whatever its weights.
  const auto rows = static_cast<double>((layer.out + layer.in) * positions);
  return figures.per_product * static_cast<double>(active * positions) + figures.per_row * rows;
}

bool compact_is_cheaper(const LayerSpec& layer, std::size_t positions, std::size_t active, bool by_input) {
  return compact_cost(layer, positions, active, by_input) < dense_cost(layer, positions, by_input);
}

}  // namespace eaudeqn

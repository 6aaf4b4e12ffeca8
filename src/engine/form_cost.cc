// See form_cost.h.
#include "engine/form_cost.h"

#include "engine/form_cost_figures.h"
#include "engine/kernels/panels.h"

namespace eaudeqn {

namespace {

const FormFigures& dense_figures(const LayerSpec& layer, const LayerUse& use) {
  if (layer.convolution) return use.bytes ? kDenseByteConvolution : kDenseConvolution;
  return use.by_input ? kDenseLayer : kDenseLayerManySamples;
}
const FormFigures& compact_figures(const LayerSpec& layer, const LayerUse& use) {
  if (layer.convolution) return use.bytes ? kCompactByteConvolution : kCompactConvolution;
  return use.by_input ? kCompactLayer : kCompactLayerManySamples;
}

// A row of one output (forward) or of one input (backward) begins and ends once per position, whatever its weights.
double rows(const LayerSpec& layer, const LayerUse& use) {
  return static_cast<double>((layer.out + layer.in) * use.positions);
}

}  // namespace

double dense_cost(const LayerSpec& layer, const LayerUse& use) {
  const FormFigures& figures = dense_figures(layer, use);
  // A panel of a dense layer costs the same however few outputs it holds.
  const std::size_t panels = (layer.out + kPanelOutputs - 1) / kPanelOutputs;
  const std::size_t outputs = layer.convolution ? layer.out : panels * kPanelOutputs;
  return figures.per_product * static_cast<double>(outputs * layer.row_size() * use.positions) +
         figures.per_row * rows(layer, use);
}

double compact_cost(const LayerSpec& layer, const LayerUse& use, std::size_t active) {
  const FormFigures& figures = compact_figures(layer, use);
  return figures.per_product * static_cast<double>(active * use.positions) + figures.per_row * rows(layer, use);
}

bool compact_is_cheaper(const LayerSpec& layer, const LayerUse& use, std::size_t active) {
  return compact_cost(layer, use, active) < dense_cost(layer, use);
}

}  // namespace eaudeqn

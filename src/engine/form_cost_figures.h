// Written by bench/cost_model.py: figures of form_cost.h, in nanoseconds.
#pragma once

namespace eaudeqn {

struct DenseFigures {
  double per_product;
};
struct CompactFigures {
  double per_product, per_row;
};

// Measured: Intel(R) Xeon(R) Processor, one thread, the smallest of 2 rounds, 2026-11-27.
constexpr DenseFigures kDenseConvolution{1.3196};
constexpr DenseFigures kDenseLayer{2.1156};
constexpr DenseFigures kDenseLayerManySamples{1.3825};
constexpr CompactFigures kCompactConvolution{1.6366, 13.095};
constexpr CompactFigures kCompactLayer{3.0974, 12.176};
constexpr CompactFigures kCompactLayerManySamples{3.0914, 8.1672};

}  // namespace eaudeqn

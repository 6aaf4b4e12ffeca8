// Written by bench/cost_model.py: figures of form_cost.h, in nanoseconds.
#pragma once

namespace eaudeqn {

struct DenseFigures {
  double per_product;
};
struct CompactFigures {
  double per_product, per_row;
};

// Measured: AMD EPYC, one thread, the smallest of 2 rounds, 2026-11-30.
constexpr DenseFigures kDenseConvolution{1.8811};
constexpr DenseFigures kDenseByteConvolution{1.3189};
constexpr DenseFigures kDenseLayer{2.3573};
constexpr DenseFigures kDenseLayerManySamples{1.8072};
constexpr CompactFigures kCompactConvolution{2.3139, 10.17};
constexpr CompactFigures kCompactByteConvolution{1.7604, 10.622};
constexpr CompactFigures kCompactLayer{2.8484, 16.925};
constexpr CompactFigures kCompactLayerManySamples{3.6022, 6.948};

}  // namespace eaudeqn

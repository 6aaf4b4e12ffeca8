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
constexpr DenseFigures kDenseConvolution{1.2578};
constexpr DenseFigures kDenseByteConvolution{1.0504};
constexpr DenseFigures kDenseLayer{1.9226};
constexpr DenseFigures kDenseLayerManySamples{1.334};
constexpr CompactFigures kCompactConvolution{1.5951, 13.233};
constexpr CompactFigures kCompactByteConvolution{1.9256, 5.2095};
constexpr CompactFigures kCompactLayer{2.976, 11.953};
constexpr CompactFigures kCompactLayerManySamples{3.055, 7.8633};

}  // namespace eaudeqn

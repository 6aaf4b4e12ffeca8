// Written by bench/cost_model.py: figures of form_cost.h, in nanoseconds.
#pragma once

namespace eaudeqn {

struct FormFigures {
  double per_product, per_row;
};

// Measured: Intel(R) Xeon(R) Processor, family 6 model 207, one thread, the smallest of 2 rounds, 2026-11-30.
constexpr FormFigures kDenseConvolution{1.498, 0};
constexpr FormFigures kDenseByteConvolution{1.1285, 9.1487};
constexpr FormFigures kDenseLayer{2.4777, 0};
constexpr FormFigures kDenseLayerManySamples{1.4463, 14.111};
constexpr FormFigures kCompactConvolution{1.8007, 24.078};
constexpr FormFigures kCompactByteConvolution{1.2255, 14.176};
constexpr FormFigures kCompactLayer{3.6766, 16.265};
constexpr FormFigures kCompactLayerManySamples{3.3072, 8.1021};

}  // namespace eaudeqn

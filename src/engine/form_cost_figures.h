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
constexpr DenseFigures kDenseConvolution{1.3106};
constexpr DenseFigures kDenseLayer{1.9777};
constexpr CompactFigures kCompactConvolution{1.6339, 12.877};
constexpr CompactFigures kCompactLayer{2.9246, 12.782};

}  // namespace eaudeqn

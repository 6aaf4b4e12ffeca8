// Written by bench/cost_model.py: figures of form_cost.h, in nanoseconds.
#pragma once

namespace eaudeqn {

struct DenseFigures {
  double per_product;
};
struct CompactFigures {
  double per_product, per_row;
};

// Measured: AMD EPYC, one thread, the smallest of 4 rounds, 2026-11-23.
constexpr DenseFigures kDenseConvolution{2.7475};
constexpr DenseFigures kDenseLayer{3.6222};
constexpr CompactFigures kCompactConvolution{3.5366, 16.449};
constexpr CompactFigures kCompactLayer{5.1083, 23.669};

}  // namespace eaudeqn

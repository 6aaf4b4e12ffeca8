// One row of weights as whole numbers times a scale, chosen together: the error that one weight's rounding makes is
// made up for by the others, as far as their inputs go together. Least squares over whole numbers, one weight at a
// time.
#pragma once

#include <span>
#include <vector>

#include "deploy/layer_samples.h"

namespace eaudeqn {

// A row to be fitted. `error` [samples] is what its sum lacks, in every sample; where `mask` [samples] is 0 nothing
// counts, elsewhere it is 1.
struct RowFit {
  const LayerSamples* samples = nullptr;
  std::span<const std::uint32_t> columns;  // of the row's weights
  std::span<const float> original;         // the weights before rounding: each stays within four steps of it
  std::span<float> values;                 // whole numbers times scale, from -127 to 127
  float* bias = nullptr;
  float scale = 1;
  std::vector<float> error, mask;
};

// Changes values and bias so that the masked sum of squared errors, with a little weight on staying near to the
// originals, does not rise but for rounding; `error` is then what is left. Stops when no weight changes, or after 20
// rounds. Nothing changes where squares are beyond floats; of a row of zeros, the bias alone.
void fit_integers(RowFit& row);

}  // namespace eaudeqn

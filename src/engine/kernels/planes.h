// Convolutions of ONE sample: an output plane, with the gaps between its rows, is one run of floats, and one weight
// adds weight x (the same run of the input, shifted) to it. Layout: engine/single_geometry.h. Batches: rows.h. What
// moves planes without weights: plane_moves.h.
//
// Every output is the same chain of fused multiply-adds, in the order of the weights, as in rows.h: same bits.
// Thread safety: pure apart from the output. No alignment is needed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace eaudeqn {

// Where runs lie. Kernels read and write whole vectors of up to 16 floats: up to the next multiple of 16 of `run`.
struct PlaneRuns {
  const float* input = nullptr;
  float* output = nullptr;          // of output channel 0
  std::size_t output_pitch = 0;     // floats between output channels
  std::size_t run = 0;              // floats from the first to the last cell
  const float* mask = nullptr;      // all bits set at cells; what is not a cell becomes 0
  const float* residual = nullptr;  // added after the sum; of output channel 0
  std::size_t residual_pitch = 0;
  bool relu = false;   // then max(0, .)
  bool bytes = false;  // the input holds bytes: sum x kByteScale + bias (byte_input.h)
  bool wide = false;   // sparse: vectors of 16 floats where there are such, not of 8 (wide_loads_pay() tells)
};

// Output channel o sums, from biases[o] (bytes: from 0), the weights starts[s * channels + o] .. starts[s * channels +
// o + 1] of segment s = 0, 1, ...: values[i] x the run at input + offsets[i]. `order` lists the channels by their
// number of weights: loops of equal length in a row end where the processor expects.
struct SparsePlanes {
  const std::size_t* starts = nullptr;
  const std::int32_t* offsets = nullptr;
  const float* values = nullptr;
  const float* biases = nullptr;
  const std::uint32_t* order = nullptr;
  std::size_t channels = 0, segments = 1;
};
void sparse_planes(const SparsePlanes& weights, const PlaneRuns& runs);

// The same with all weights: values[o * count + i] at offsets[i].
struct DensePlanes {
  const std::int32_t* offsets = nullptr;
  std::size_t count = 0;
  const float* values = nullptr;
  const float* biases = nullptr;
  std::size_t channels = 0;
};
void dense_planes(const DensePlanes& weights, const PlaneRuns& runs);

}  // namespace eaudeqn

// What moves the planes of ONE sample without weights: loading observations, splitting into phases, ReLU, max-pooling,
// finding what is not zero. Sums are in planes.h and matrix_vector.h; batches in elementwise.h. Layouts:
// engine/plane_layout.h. Thread safety: pure apart from the outputs. No alignment is needed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/plane_layout.h"

namespace eaudeqn {

// Planes without gaps -> phases (stride up to kMaxStride); writes the cells only, so borders that were zero stay so.
// Bytes become whole numbers (byte_input.h).
void split_bytes(const std::uint8_t* input, std::size_t channels, std::size_t height, std::size_t width,
                 const SplitLayout& layout, float* output);
// `pitch` and `plane`: of the input, in floats.
void split_floats(const float* input, std::size_t pitch, std::size_t plane, std::size_t channels, std::size_t height,
                  std::size_t width, const SplitLayout& layout, float* output);

// output = max(0, input) over whole runs.
void relu_planes(const PlaneLayout& input_layout, const float* input, const PlaneLayout& output_layout, float* output);

// The cells alone, [channel][row][column]. Writes up to 16 floats past them.
void flatten_planes(const PlaneLayout& layout, const float* input, float* output);

// 3x3, stride 2, SAME (cells outside do not count). scratch: input width + 64 floats.
void max_pool_planes(const PlaneLayout& input_layout, const float* input, const PlaneLayout& output_layout,
                     float* output, float* scratch);

// Indices of the elements of values[0, count) that are not zero (NaN is not), ascending; returns how many. `indices`
// has room for count + 16, values[count, count + 16) can be read.
std::size_t find_nonzero(const float* values, std::size_t count, std::uint32_t* indices);

}  // namespace eaudeqn

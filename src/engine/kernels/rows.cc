// See rows.h. Tiles: as many (output row, pixel, vector) accumulators as the register file holds, less a few for
// inputs.
#include "engine/kernels/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/rows.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Tag>;

// 16 registers (AVX2, SSE): 12 accumulators leave room for a broadcast and inputs. 32 registers (AVX-512, NEON): 24.
constexpr std::size_t kAccumulators = (HWY_TARGET <= HWY_AVX3 || HWY_TARGET == HWY_NEON) ? 24 : 12;
constexpr std::size_t kVectorWidth = hn::MaxLanes(Tag());
template <std::size_t kVectors>
constexpr std::ptrdiff_t kLanes = static_cast<std::ptrdiff_t>(kVectors* kVectorWidth);  // floats per pixel

template <std::size_t kVectors>
HWY_INLINE void finish_pixel(const Epilogue& epilogue, const float* residual, const float* relu_source, float* output,
                             const Vector* sums) {
  const Tag d;
  EAUDEQN_UNROLL
  for (std::size_t v = 0; v < kVectors; ++v) {
    Vector sum = sums[v];
    if (residual != nullptr) sum = hn::Add(sum, hn::Load(d, residual + v * kVectorWidth));
    if (epilogue.relu) sum = hn::Max(hn::Zero(d), sum);  // this order keeps NaN
    if (relu_source != nullptr) {
      sum = hn::IfThenElseZero(hn::Gt(hn::Load(d, relu_source + v * kVectorWidth), hn::Zero(d)), sum);
    }
    hn::Store(sum, d, output + v * kVectorWidth);
  }
}

template <std::size_t kVectors>
HWY_INLINE void start_pixel(const Epilogue& epilogue, float bias, const float* output, Vector* sums) {
  const Tag d;
  EAUDEQN_UNROLL
  for (std::size_t v = 0; v < kVectors; ++v) {
    sums[v] = epilogue.accumulate ? hn::Load(d, output + v * kVectorWidth) : hn::Set(d, bias);
  }
}

// One tile of kPixels x kVectors accumulators; `pixel` is the first pixel's number in the row.
template <std::size_t kPixels, std::size_t kVectors>
HWY_INLINE void sparse_tile(const std::int32_t* HWY_RESTRICT offsets, const float* HWY_RESTRICT values,
                            std::size_t count, const PixelRow& row, const Epilogue& epilogue, std::size_t pixel) {
  const Tag d;
  Vector sums[kPixels][kVectors];
  const auto first = static_cast<std::ptrdiff_t>(pixel);
  const float* HWY_RESTRICT input = row.input + first * row.input_step;
  float* output = row.output + first * row.output_step;
  const std::ptrdiff_t step = row.input_step;
  EAUDEQN_UNROLL
  for (std::size_t p = 0; p < kPixels; ++p) {
    start_pixel<kVectors>(epilogue, epilogue.bias, output + static_cast<std::ptrdiff_t>(p) * row.output_step, sums[p]);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Vector weight = hn::Set(d, values[i]);
    const float* HWY_RESTRICT source = input + static_cast<std::ptrdiff_t>(offsets[i]) * kLanes<kVectors>;
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[p][v] = hn::MulAdd(weight, hn::Load(d, source + static_cast<std::ptrdiff_t>(p) * step + v * kVectorWidth),
                                sums[p][v]);
      }
    }
  }
  EAUDEQN_UNROLL
  for (std::size_t p = 0; p < kPixels; ++p) {
    const auto at = static_cast<std::ptrdiff_t>(pixel + p);
    finish_pixel<kVectors>(epilogue, epilogue.residual ? epilogue.residual + at * epilogue.residual_step : nullptr,
                           epilogue.relu_source ? epilogue.relu_source + at * epilogue.relu_source_step : nullptr,
                           row.output + at * row.output_step, sums[p]);
  }
}

// The last pixels % kPixels pixels of a row, as one tile.
template <std::size_t kPixels, std::size_t kVectors>
void sparse_remainder(const std::int32_t* offsets, const float* values, std::size_t count, const PixelRow& row,
                      const Epilogue& epilogue, std::size_t pixel) {
  if constexpr (kPixels > 0) {
    if (row.pixels - pixel == kPixels) {
      sparse_tile<kPixels, kVectors>(offsets, values, count, row, epilogue, pixel);
    } else {
      sparse_remainder<kPixels - 1, kVectors>(offsets, values, count, row, epilogue, pixel);
    }
  }
}

template <std::size_t kVectors>
void sparse_row_lanes(const std::int32_t* offsets, const float* values, std::size_t count, const PixelRow& row,
                      const Epilogue& epilogue) {
  constexpr std::size_t kPixels = kAccumulators / kVectors > 0 ? kAccumulators / kVectors : 1;
  std::size_t pixel = 0;
  for (; pixel + kPixels <= row.pixels; pixel += kPixels) {
    sparse_tile<kPixels, kVectors>(offsets, values, count, row, epilogue, pixel);
  }
  sparse_remainder<kPixels - 1, kVectors>(offsets, values, count, row, epilogue, pixel);
}

void sparse_row_target(const std::int32_t* offsets, const float* values, std::size_t count, const PixelRow& row,
                       const Epilogue& epilogue) {
  if (row.lanes == 32) {
    sparse_row_lanes<32 / kVectorWidth>(offsets, values, count, row, epilogue);
  } else {
    sparse_row_lanes<16 / kVectorWidth>(offsets, values, count, row, epilogue);
  }
}

template <std::size_t kVectors>
void sparse_pair_lanes(const std::int32_t* const offsets[2], const float* const values[2], const std::size_t counts[2],
                       const PixelRow rows[2], const Epilogue epilogues[2]) {
  const Tag d;
  Vector sums[2][kVectors];
  EAUDEQN_UNROLL
  for (std::size_t r = 0; r < 2; ++r) start_pixel<kVectors>(epilogues[r], epilogues[r].bias, rows[r].output, sums[r]);
  const std::size_t common = HWY_MIN(counts[0], counts[1]);
  for (std::size_t i = 0; i < common; ++i) {
    EAUDEQN_UNROLL
    for (std::size_t r = 0; r < 2; ++r) {
      const Vector weight = hn::Set(d, values[r][i]);
      const float* source = rows[r].input + static_cast<std::ptrdiff_t>(offsets[r][i]) * kLanes<kVectors>;
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[r][v] = hn::MulAdd(weight, hn::Load(d, source + v * kVectorWidth), sums[r][v]);
      }
    }
  }
  EAUDEQN_UNROLL
  for (std::size_t r = 0; r < 2; ++r) {
    for (std::size_t i = common; i < counts[r]; ++i) {
      const Vector weight = hn::Set(d, values[r][i]);
      const float* source = rows[r].input + static_cast<std::ptrdiff_t>(offsets[r][i]) * kLanes<kVectors>;
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[r][v] = hn::MulAdd(weight, hn::Load(d, source + v * kVectorWidth), sums[r][v]);
      }
    }
    finish_pixel<kVectors>(epilogues[r], epilogues[r].residual, epilogues[r].relu_source, rows[r].output, sums[r]);
  }
}

void sparse_pair_target(const std::int32_t* const offsets[2], const float* const values[2], const std::size_t counts[2],
                        const PixelRow rows[2], const Epilogue epilogues[2]) {
  if (rows[0].lanes == 32) {
    sparse_pair_lanes<32 / kVectorWidth>(offsets, values, counts, rows, epilogues);
  } else {
    sparse_pair_lanes<16 / kVectorWidth>(offsets, values, counts, rows, epilogues);
  }
}

// kRows x kPixels x kVectors accumulators: each input vector serves kRows weights, each weight kPixels pixels.
template <std::size_t kRows, std::size_t kPixels, std::size_t kVectors>
HWY_INLINE void dense_tile(const DenseRows& dense, std::size_t first_row, const PixelRow& row, const Epilogue& epilogue,
                           std::size_t pixel) {
  const Tag d;
  Vector sums[kRows][kPixels][kVectors];
  const float* HWY_RESTRICT weights[kRows];
  float* outputs[kRows];
  const std::ptrdiff_t step = row.input_step;
  EAUDEQN_UNROLL
  for (std::size_t r = 0; r < kRows; ++r) {
    const auto row_number = static_cast<std::ptrdiff_t>(first_row + r);
    weights[r] = dense.weights + row_number * dense.weight_pitch;
    outputs[r] = row.output + row_number * dense.output_pitch + static_cast<std::ptrdiff_t>(pixel) * row.output_step;
    const float bias = dense.biases != nullptr ? dense.biases[row_number] : epilogue.bias;
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      start_pixel<kVectors>(epilogue, bias, outputs[r] + static_cast<std::ptrdiff_t>(p) * row.output_step, sums[r][p]);
    }
  }
  const float* HWY_RESTRICT input = row.input + static_cast<std::ptrdiff_t>(pixel) * step;
  std::ptrdiff_t at = 0;
  for (std::size_t i = 0; i < dense.count; ++i, at += dense.weight_step) {
    const float* HWY_RESTRICT source = input + static_cast<std::ptrdiff_t>(dense.offsets[i]) * kLanes<kVectors>;
    // Weights first, inputs one at a time: 12 + 3 + 1 registers; the other way round one sum would be spilled.
    Vector weight[kRows];
    EAUDEQN_UNROLL
    for (std::size_t r = 0; r < kRows; ++r) weight[r] = hn::Set(d, weights[r][at]);
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        const Vector loaded = hn::Load(d, source + static_cast<std::ptrdiff_t>(p) * step + v * kVectorWidth);
        EAUDEQN_UNROLL
        for (std::size_t r = 0; r < kRows; ++r) sums[r][p][v] = hn::MulAdd(weight[r], loaded, sums[r][p][v]);
      }
    }
  }
  EAUDEQN_UNROLL
  for (std::size_t r = 0; r < kRows; ++r) {
    const auto row_number = static_cast<std::ptrdiff_t>(first_row + r);
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      const auto px = static_cast<std::ptrdiff_t>(pixel + p);
      finish_pixel<kVectors>(
          epilogue,
          epilogue.residual ? epilogue.residual + row_number * dense.residual_pitch + px * epilogue.residual_step
                            : nullptr,
          epilogue.relu_source
              ? epilogue.relu_source + row_number * dense.relu_source_pitch + px * epilogue.relu_source_step
              : nullptr,
          outputs[r] + static_cast<std::ptrdiff_t>(p) * row.output_step, sums[r][p]);
    }
  }
}

// All rows of kPixels pixels: the input window stays in the first-level cache while the rows pass over it.
template <std::size_t kRows, std::size_t kPixels, std::size_t kVectors>
void dense_pixels(const DenseRows& dense, const PixelRow& row, const Epilogue& epilogue, std::size_t pixel) {
  std::size_t r = 0;
  for (; r + kRows <= dense.rows; r += kRows) dense_tile<kRows, kPixels, kVectors>(dense, r, row, epilogue, pixel);
  for (; r < dense.rows; ++r) dense_tile<1, kPixels, kVectors>(dense, r, row, epilogue, pixel);
}

template <std::size_t kVectors>
void dense_rows_lanes(const DenseRows& dense, const PixelRow& row, const Epilogue& epilogue) {
  constexpr std::size_t kPlanes = kAccumulators / kVectors > 0 ? kAccumulators / kVectors : 1;  // (row, pixel) pairs
  constexpr std::size_t kRows = kPlanes >= 12 ? 4 : (kPlanes >= 3 ? 3 : 1);
  constexpr std::size_t kPixels = kPlanes / kRows;
  if (row.pixels == 1) {  // dense layers: all accumulators go to rows
    dense_pixels<kPlanes, 1, kVectors>(dense, row, epilogue, 0);
    return;
  }
  std::size_t pixel = 0;
  for (; pixel + kPixels <= row.pixels; pixel += kPixels) {
    dense_pixels<kRows, kPixels, kVectors>(dense, row, epilogue, pixel);
  }
  for (; pixel < row.pixels; ++pixel) dense_pixels<kRows, 1, kVectors>(dense, row, epilogue, pixel);
}

void dense_rows_target(const DenseRows& dense, const PixelRow& row, const Epilogue& epilogue) {
  if (row.lanes == 32) {
    dense_rows_lanes<32 / kVectorWidth>(dense, row, epilogue);
  } else {
    dense_rows_lanes<16 / kVectorWidth>(dense, row, epilogue);
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(sparse_row_target);
HWY_EXPORT(sparse_pair_target);
HWY_EXPORT(dense_rows_target);

void sparse_row(const std::int32_t* offsets, const float* values, std::size_t count, const PixelRow& row,
                const Epilogue& epilogue) {
  HWY_DYNAMIC_DISPATCH(sparse_row_target)(offsets, values, count, row, epilogue);
}

void sparse_pixel_pair(const std::int32_t* const offsets[2], const float* const values[2], const std::size_t counts[2],
                       const PixelRow rows[2], const Epilogue epilogues[2]) {
  HWY_DYNAMIC_DISPATCH(sparse_pair_target)(offsets, values, counts, rows, epilogues);
}

void dense_rows(const DenseRows& dense, const PixelRow& row, const Epilogue& epilogue) {
  HWY_DYNAMIC_DISPATCH(dense_rows_target)(dense, row, epilogue);
}

void dense_rows_in_segments(const DenseRows& dense, const PixelRow& row, const Epilogue& epilogue) {
  constexpr std::size_t kSegment = 144;  // x 128 bytes at 32 lanes: 18 KB of the usual 32
  for (std::size_t begin = 0; begin < dense.count; begin += kSegment) {
    const bool last = begin + kSegment >= dense.count;
    DenseRows segment = dense;
    segment.weights += static_cast<std::ptrdiff_t>(begin) * dense.weight_step;
    segment.offsets += begin;
    segment.count = last ? dense.count - begin : kSegment;
    Epilogue part = epilogue;
    if (begin > 0) part.accumulate = true;
    if (!last) {
      part.relu = false;
      part.residual = nullptr;
      part.relu_source = nullptr;
    }
    dense_rows(segment, row, part);
  }
}

}  // namespace eaudeqn
#endif

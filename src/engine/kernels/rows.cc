// See rows.h. Tiles: as many (output row, pixel, vector) accumulators as the register file holds, less a few for
// inputs.
#include "engine/kernels/rows.h"

#include "engine/kernels/byte_input.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/rows.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/input_vectors.h"
#include "engine/kernels/pixel_vectors.h"
#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

// 16 registers (AVX2, SSE): 12 accumulators leave room for a broadcast and inputs. 32 registers: 24.
constexpr std::size_t kAccumulators = (HWY_TARGET <= HWY_AVX3 || HWY_TARGET == HWY_NEON) ? 24 : 12;
// Pixels of a sparse tile; 12 cover a row of 11 (the nature network), more would only be more code.
constexpr std::size_t kTilePixels = HWY_MAX(HWY_MIN(kAccumulators / kVectors, std::size_t{12}), std::size_t{1});

// Of a dense layer, whose pixels are the blocks of a batch: 16 are a batch of 256. The step between them is not
// constant.
constexpr std::size_t kBatchPixels = kAccumulators / kVectors >= 24 ? 16 : kTilePixels;

// What row `row` of OutputRows does at one pixel.
struct Epilogue {
  float* output;
  const float* residual;
  const float* relu_source;
};
HWY_INLINE Epilogue epilogue_of(const PixelRow& row, const OutputRows& rows, std::size_t number, std::size_t pixel) {
  const auto r = static_cast<Distance>(number);
  const auto p = static_cast<Distance>(pixel);
  return {row.output + r * rows.output_pitch + p * row.output_step,
          rows.residual != nullptr ? rows.residual + r * rows.residual_pitch + p * rows.residual_step : nullptr,
          rows.relu_source != nullptr ? rows.relu_source + r * rows.relu_source_pitch + p * rows.relu_source_step
                                      : nullptr};
}

template <std::size_t kPixels>
HWY_INLINE void start_pixels(const PixelRow& row, const OutputRows& rows, std::size_t number, std::size_t pixel,
                             Vector (&sums)[kPixels][kVectors]) {
  const Tag d;
  if (rows.accumulate) {
    const float* output = epilogue_of(row, rows, number, pixel).output;
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[p][v] = hn::Load(d, output + static_cast<Distance>(p) * row.output_step + v * kVectorWidth);
      }
    }
    return;
  }
  const Vector bias = rows.biases != nullptr ? hn::Set(d, rows.biases[number]) : hn::Zero(d);
  EAUDEQN_UNROLL
  for (std::size_t p = 0; p < kPixels; ++p) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) sums[p][v] = bias;
  }
}

template <std::size_t kPixels>
HWY_INLINE void finish_pixels(const PixelRow& row, const OutputRows& rows, std::size_t number, std::size_t pixel,
                              Vector (&sums)[kPixels][kVectors]) {
  const Tag d;
  const Epilogue at = epilogue_of(row, rows, number, pixel);
  if (rows.byte_biases != nullptr) {
    const Vector scale = hn::Set(d, kByteScale);
    const Vector bias = hn::Set(d, rows.byte_biases[number]);
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) sums[p][v] = hn::MulAdd(sums[p][v], scale, bias);
    }
  }
  if (at.residual != nullptr) {
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        const float* from = at.residual + static_cast<Distance>(p) * rows.residual_step + v * kVectorWidth;
        sums[p][v] = hn::Add(sums[p][v], hn::Load(d, from));
      }
    }
  }
  if (rows.relu) {
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) sums[p][v] = hn::Max(hn::Zero(d), sums[p][v]);  // keeps NaN
    }
  }
  if (at.relu_source != nullptr) {
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        const float* from = at.relu_source + static_cast<Distance>(p) * rows.relu_source_step + v * kVectorWidth;
        sums[p][v] = hn::IfThenElseZero(hn::Gt(hn::Load(d, from), hn::Zero(d)), sums[p][v]);
      }
    }
  }
  EAUDEQN_UNROLL
  for (std::size_t p = 0; p < kPixels; ++p) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::Store(sums[p][v], d, at.output + static_cast<Distance>(p) * row.output_step + v * kVectorWidth);
    }
  }
}

// Steps between input pixels that get code of their own, strides 1, 2 and 4: with a constant step an address costs no
// instruction. 0: any step.
template <Distance kStep>
HWY_INLINE Distance step_of(const PixelRow& row) {
  return kStep != 0 ? kStep : row.input_step;
}

// One weight meets kPixels pixels.
template <typename Element, std::size_t kPixels>
HWY_INLINE void multiply_add(float weight, const Element* HWY_RESTRICT source, Distance step,
                             Vector (&sums)[kPixels][kVectors]) {
  const Vector broadcast = hn::Set(Tag(), weight);
  EAUDEQN_UNROLL
  for (std::size_t p = 0; p < kPixels; ++p) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      const Vector loaded = load_input(source + static_cast<Distance>(p) * step + v * kVectorWidth);
      sums[p][v] = hn::MulAdd(broadcast, loaded, sums[p][v]);
    }
  }
}

// Some entries of one row.
struct Entries {
  const std::int32_t* HWY_RESTRICT offsets;
  const float* HWY_RESTRICT values;
  std::size_t count;
};
HWY_INLINE Entries entries_of(const SparseWeights& weights, std::size_t row) {
  const std::size_t begin = weights.starts[row];
  return {weights.offsets + begin, weights.values + begin, weights.starts[row + 1] - begin};
}

// kPixels pixels of every row: the inputs under the tile stay in the first-level cache while the rows pass over them.
template <typename Element, Distance kStep, std::size_t kPixels>
void sparse_tile(const SparseWeights& weights, const PixelRow& row, const OutputRows& rows, std::size_t pixel) {
  const Element* HWY_RESTRICT input = input_of<Element>(row) + static_cast<Distance>(pixel) * row.input_step;
  const Distance step = step_of<kStep>(row);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const Entries entries = entries_of(weights, r);
    Vector sums[kPixels][kVectors];
    start_pixels(row, rows, r, pixel, sums);
    for (std::size_t i = 0; i < entries.count; ++i) {
      const Element* source = whole_address(input + static_cast<Distance>(entries.offsets[i]) * Distance{kLanes});
      multiply_add(entries.values[i], source, step, sums);
    }
    finish_pixels(row, rows, r, pixel, sums);
  }
}

// One or two pixels leave most accumulators free and the multiply-adds waiting for each other: two rows go together.
template <typename Element, Distance kStep, std::size_t kPixels>
void sparse_tile_pairs(const SparseWeights& weights, const PixelRow& row, const OutputRows& rows, std::size_t pixel) {
  const Element* HWY_RESTRICT input = input_of<Element>(row) + static_cast<Distance>(pixel) * row.input_step;
  const Distance step = step_of<kStep>(row);
  const auto source = [&](const Entries& entries, std::size_t i) {
    return whole_address(input + static_cast<Distance>(entries.offsets[i]) * Distance{kLanes});
  };
  std::size_t r = 0;
  for (; r + 2 <= rows.rows; r += 2) {
    const Entries a = entries_of(weights, r);
    const Entries b = entries_of(weights, r + 1);
    Vector sums_a[kPixels][kVectors];
    Vector sums_b[kPixels][kVectors];
    start_pixels(row, rows, r, pixel, sums_a);
    start_pixels(row, rows, r + 1, pixel, sums_b);
    const std::size_t common = HWY_MIN(a.count, b.count);
    for (std::size_t i = 0; i < common; ++i) {
      multiply_add(a.values[i], source(a, i), step, sums_a);
      multiply_add(b.values[i], source(b, i), step, sums_b);
    }
    for (std::size_t i = common; i < a.count; ++i) multiply_add(a.values[i], source(a, i), step, sums_a);
    for (std::size_t i = common; i < b.count; ++i) multiply_add(b.values[i], source(b, i), step, sums_b);
    finish_pixels(row, rows, r, pixel, sums_a);
    finish_pixels(row, rows, r + 1, pixel, sums_b);
  }
  if (r == rows.rows) return;
  Vector sums[kPixels][kVectors];
  const Entries last = entries_of(weights, r);
  start_pixels(row, rows, r, pixel, sums);
  for (std::size_t i = 0; i < last.count; ++i) multiply_add(last.values[i], source(last, i), step, sums);
  finish_pixels(row, rows, r, pixel, sums);
}

// The last pixels % kTilePixels pixels of a row, as one tile of at most kPixels.
template <typename Element, Distance kStep, std::size_t kPixels>
void sparse_remainder(const SparseWeights& weights, const PixelRow& row, const OutputRows& rows, std::size_t pixel) {
  if constexpr (kPixels > 0) {
    if (row.pixels - pixel < kPixels) {
      sparse_remainder<Element, kStep, kPixels - 1>(weights, row, rows, pixel);
    } else if constexpr (kPixels <= 2) {
      sparse_tile_pairs<Element, kStep, kPixels>(weights, row, rows, pixel);
    } else {
      sparse_tile<Element, kStep, kPixels>(weights, row, rows, pixel);
    }
  }
}

template <typename Element, Distance kStep>
void sparse_rows_with_step(const SparseWeights& weights, const PixelRow& row, const OutputRows& rows) {
  std::size_t pixel = 0;
  for (; kStep == 0 && pixel + kBatchPixels <= row.pixels; pixel += kBatchPixels) {
    sparse_tile<Element, kStep, kStep == 0 ? kBatchPixels : kTilePixels>(weights, row, rows, pixel);
  }
  for (; pixel + kTilePixels <= row.pixels; pixel += kTilePixels) {
    sparse_tile<Element, kStep, kTilePixels>(weights, row, rows, pixel);
  }
  sparse_remainder<Element, kStep, kTilePixels - 1>(weights, row, rows, pixel);
}

template <typename Element>
void sparse_rows_of(const SparseWeights& weights, const PixelRow& row, const OutputRows& rows) {
#ifdef NDEBUG  // a debug build compiles the general step only: the others are most of this file's compile time
  switch (row.input_step) {
    case Distance{kLanes}:
      return sparse_rows_with_step<Element, Distance{kLanes}>(weights, row, rows);
    case Distance{2 * kLanes}:
      return sparse_rows_with_step<Element, Distance{2 * kLanes}>(weights, row, rows);
    case Distance{4 * kLanes}:
      return sparse_rows_with_step<Element, Distance{4 * kLanes}>(weights, row, rows);
    default:
      break;
  }
#endif
  sparse_rows_with_step<Element, 0>(weights, row, rows);
}

void sparse_rows_target(const SparseWeights& weights, const PixelRow& row, const OutputRows& rows) {
  if (row.bytes != nullptr) return sparse_rows_of<std::uint8_t>(weights, row, rows);
  sparse_rows_of<float>(weights, row, rows);
}

// kRows x kPixels accumulators of a pixel each: each input vector serves kRows weights, each weight kPixels pixels.
template <typename Element, std::size_t kRows, std::size_t kPixels>
HWY_INLINE void dense_tile(const DenseWeights& weights, const PixelRow& row, const OutputRows& rows,
                           std::size_t first_row, std::size_t pixel) {
  Vector sums[kRows][kPixels][kVectors];
  const float* HWY_RESTRICT sources[kRows];
  const Distance step = row.input_step;
  EAUDEQN_UNROLL
  for (std::size_t r = 0; r < kRows; ++r) {
    sources[r] = weights.weights + static_cast<Distance>(first_row + r) * weights.pitch;
    start_pixels(row, rows, first_row + r, pixel, sums[r]);
  }
  const Element* HWY_RESTRICT input = input_of<Element>(row) + static_cast<Distance>(pixel) * step;
  Distance at = 0;
  for (std::size_t i = 0; i < weights.count; ++i, at += weights.step) {
    const Element* HWY_RESTRICT source =
        whole_address(input + static_cast<Distance>(weights.offsets[i]) * Distance{kLanes});
    // Weights first, inputs one at a time: 12 + 3 + 1 registers; the other way round one sum would be spilled.
    Vector weight[kRows];
    EAUDEQN_UNROLL
    for (std::size_t r = 0; r < kRows; ++r) weight[r] = hn::Set(Tag(), sources[r][at]);
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        const Vector loaded = load_input(source + static_cast<Distance>(p) * step + v * kVectorWidth);
        EAUDEQN_UNROLL
        for (std::size_t r = 0; r < kRows; ++r) sums[r][p][v] = hn::MulAdd(weight[r], loaded, sums[r][p][v]);
      }
    }
  }
  EAUDEQN_UNROLL
  for (std::size_t r = 0; r < kRows; ++r) finish_pixels(row, rows, first_row + r, pixel, sums[r]);
}

// All rows of kPixels pixels: the input window stays in the first-level cache while the rows pass over it. The last
// rows go in tiles of four, two and one.
template <typename Element, std::size_t kRows, std::size_t kPixels>
void dense_pixels(const DenseWeights& weights, const PixelRow& row, const OutputRows& rows, std::size_t pixel) {
  std::size_t r = 0;
  for (; r + kRows <= rows.rows; r += kRows) dense_tile<Element, kRows, kPixels>(weights, row, rows, r, pixel);
  if constexpr (kRows > 4) {
    for (; r + 4 <= rows.rows; r += 4) dense_tile<Element, 4, kPixels>(weights, row, rows, r, pixel);
  }
  if constexpr (kRows > 2) {
    for (; r + 2 <= rows.rows; r += 2) dense_tile<Element, 2, kPixels>(weights, row, rows, r, pixel);
  }
  for (; r < rows.rows; ++r) dense_tile<Element, 1, kPixels>(weights, row, rows, r, pixel);
}

template <typename Element>
void dense_rows_of(const DenseWeights& weights, const PixelRow& row, const OutputRows& rows) {
  constexpr std::size_t kPlanes = HWY_MAX(kAccumulators / kVectors, std::size_t{1});  // (row, pixel) pairs in registers
  constexpr std::size_t kRows = kPlanes >= 24 ? 6 : 3;
  constexpr std::size_t kPixels = HWY_MAX(kPlanes / kRows, std::size_t{1});
  std::size_t pixel = 0;
  for (; pixel + kPixels <= row.pixels; pixel += kPixels)
    dense_pixels<Element, kRows, kPixels>(weights, row, rows, pixel);
  if constexpr (kPixels > 2) {
    for (; pixel + 2 <= row.pixels; pixel += 2) dense_pixels<Element, 12, 2>(weights, row, rows, pixel);
  }
  for (; pixel < row.pixels; ++pixel)
    dense_pixels<Element, HWY_MIN(kPlanes, std::size_t{12}), 1>(weights, row, rows, pixel);
}

void dense_rows_target(const DenseWeights& weights, const PixelRow& row, const OutputRows& rows) {
  if (row.bytes != nullptr) return dense_rows_of<std::uint8_t>(weights, row, rows);
  dense_rows_of<float>(weights, row, rows);
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(sparse_rows_target);
HWY_EXPORT(dense_rows_target);

void sparse_rows(const SparseWeights& weights, const PixelRow& row, const OutputRows& rows) {
  HWY_DYNAMIC_DISPATCH(sparse_rows_target)(weights, row, rows);
}

void dense_rows(const DenseWeights& weights, const PixelRow& row, const OutputRows& rows) {
  HWY_DYNAMIC_DISPATCH(dense_rows_target)(weights, row, rows);
}

void dense_rows_in_segments(const DenseWeights& weights, const PixelRow& row, const OutputRows& rows) {
  constexpr std::size_t kSegment = 144;  // inputs; with the pixels beside each other about 12 KB
  for (std::size_t begin = 0; begin < weights.count; begin += kSegment) {
    const bool last = begin + kSegment >= weights.count;
    DenseWeights segment = weights;
    segment.weights += static_cast<std::ptrdiff_t>(begin) * weights.step;
    segment.offsets += begin;
    segment.count = last ? weights.count - begin : kSegment;
    dense_rows(segment, row, part_of(rows, begin == 0, last));
  }
}

OutputRows part_of(const OutputRows& rows, bool first, bool last) {
  OutputRows part = rows;
  part.accumulate = rows.accumulate || !first;
  if (!last) {
    part.byte_biases = nullptr;
    part.relu = false;
    part.residual = nullptr;
    part.relu_source = nullptr;
  }
  return part;
}

}  // namespace eaudeqn
#endif

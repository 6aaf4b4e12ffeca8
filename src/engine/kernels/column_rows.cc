// See column_rows.h. Two blocks of the batch go together, as in columns.cc, and two outputs, so that four chains of
// multiply-adds are under way.
#include "engine/kernels/column_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/column_rows.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/pixel_vectors.h"
#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kScratchPitch = 2 * kLanes;  // from one input to the next

template <std::size_t kBlocks>
HWY_INLINE void multiply_add(std::uint32_t entry, const float* HWY_RESTRICT values, const float* HWY_RESTRICT scratch,
                             Vector (&sums)[kBlocks][kVectors]) {
  const Vector weight = hn::Set(Tag(), values[entry >> 16]);
  const float* HWY_RESTRICT input = scratch + (entry & 0xFFFF);
  EAUDEQN_UNROLL
  for (std::size_t b = 0; b < kBlocks; ++b) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      sums[b][v] = hn::MulAdd(weight, hn::Load(Tag(), input + b * kLanes + v * kVectorWidth), sums[b][v]);
    }
  }
}

// Outputs first .. last - 1 of one block of inputs, which is in the scratch. starts: of its rows.
template <std::size_t kBlocks>
HWY_INLINE void add_inputs(const ColumnRows& rows, std::size_t first, std::size_t last,
                           const std::uint32_t* HWY_RESTRICT starts, const float* HWY_RESTRICT values,
                           const float* HWY_RESTRICT scratch, float* output, Distance pitch) {
  const std::uint32_t* HWY_RESTRICT entries = rows.entries;
  std::size_t o = first;
  for (; o + 2 <= last; o += 2) {
    const std::uint32_t begin_b = starts[o + 1];
    std::uint32_t a = starts[o];
    std::uint32_t b = begin_b;
    const std::uint32_t end_b = starts[o + 2];
    Vector sums_a[kBlocks][kVectors];
    Vector sums_b[kBlocks][kVectors];
    load_pixels<kBlocks>(output + o * kLanes, pitch, sums_a);
    load_pixels<kBlocks>(output + (o + 1) * kLanes, pitch, sums_b);
    for (; a < begin_b && b < end_b; ++a, ++b) {
      multiply_add<kBlocks>(entries[a], values, scratch, sums_a);
      multiply_add<kBlocks>(entries[b], values, scratch, sums_b);
    }
    for (; a < begin_b; ++a) multiply_add<kBlocks>(entries[a], values, scratch, sums_a);
    for (; b < end_b; ++b) multiply_add<kBlocks>(entries[b], values, scratch, sums_b);
    store_pixels<kBlocks>(sums_a, output + o * kLanes, pitch);
    store_pixels<kBlocks>(sums_b, output + (o + 1) * kLanes, pitch);
  }
  if (o == last) return;
  Vector sums[kBlocks][kVectors];
  load_pixels<kBlocks>(output + o * kLanes, pitch, sums);
  for (std::uint32_t a = starts[o]; a < starts[o + 1]; ++a) multiply_add<kBlocks>(entries[a], values, scratch, sums);
  store_pixels<kBlocks>(sums, output + o * kLanes, pitch);
}

template <std::size_t kBlocks>
void forward_blocks(const ColumnRows& rows, std::size_t first_row, std::size_t last_row, const ColumnWeights& weights,
                    std::size_t count, const std::int32_t* HWY_RESTRICT offsets, const ConstUnitPixels& inputs,
                    const UnitPixels& outputs, std::size_t block, float* HWY_RESTRICT scratch) {
  const float* HWY_RESTRICT input = inputs.data + static_cast<Distance>(block) * inputs.block_pitch;
  float* output = outputs.data + static_cast<Distance>(block) * outputs.block_pitch;
  const std::uint32_t* starts = rows.starts;
  for (std::size_t first = 0; first < count; first += kRowInputs, starts += rows.outputs) {
    const std::size_t some = HWY_MIN(kRowInputs, count - first);
    for (std::size_t i = 0; i < some; ++i) {
      Vector pixels[kBlocks][kVectors];
      load_pixels<kBlocks>(input + offsets[first + i] * Distance{kLanes}, inputs.block_pitch, pixels);
      store_pixels<kBlocks>(pixels, scratch + i * kScratchPitch, Distance{kLanes});
    }
    add_inputs<kBlocks>(rows, first_row, last_row, starts, weights.values + weights.starts[first], scratch, output,
                        outputs.block_pitch);
  }
}

void forward_column_rows_target(const ColumnRows& rows, std::size_t first, std::size_t last,
                                const ColumnWeights& weights, std::size_t count, const std::int32_t* offsets,
                                const ConstUnitPixels& inputs, const UnitPixels& outputs, std::size_t blocks,
                                float* scratch) {
  std::size_t block = 0;
  for (; block + 2 <= blocks; block += 2) {
    forward_blocks<2>(rows, first, last, weights, count, offsets, inputs, outputs, block, scratch);
  }
  if (block < blocks) forward_blocks<1>(rows, first, last, weights, count, offsets, inputs, outputs, block, scratch);
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(forward_column_rows_target);

void forward_column_rows(const ColumnRows& rows, std::size_t first, std::size_t last, const ColumnWeights& weights,
                         std::size_t count, const std::int32_t* offsets, const ConstUnitPixels& inputs,
                         const UnitPixels& outputs, std::size_t blocks, float* scratch) {
  HWY_DYNAMIC_DISPATCH(forward_column_rows_target)
  (rows, first, last, weights, count, offsets, inputs, outputs, blocks, scratch);
}

}  // namespace eaudeqn
#endif

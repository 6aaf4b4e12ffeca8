// See columns.h. Two blocks, batch 32, go together: that is what the registers of every instruction set hold beside a
// weight, and each weight and index is then loaded once for the whole batch.
#include "engine/kernels/columns.h"

#include "engine/tensor_layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/columns.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/lane_sums.h"
#include "engine/kernels/pixel_vectors.h"
#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <std::size_t kBlocks>
void forward_blocks(const ColumnWeights& weights, std::size_t first, std::size_t last,
                    const std::int32_t* HWY_RESTRICT offsets, const ConstUnitPixels& inputs, const UnitPixels& outputs,
                    std::size_t block) {
  const Tag d;
  const float* HWY_RESTRICT input = inputs.data + static_cast<Distance>(block) * inputs.block_pitch;
  float* HWY_RESTRICT output = outputs.data + static_cast<Distance>(block) * outputs.block_pitch;
  const std::uint16_t* HWY_RESTRICT to = weights.outputs;
  const float* HWY_RESTRICT values = weights.values;
  const Distance pitch = outputs.block_pitch;
  for (std::size_t c = first; c < last; ++c) {
    Vector pixels[kBlocks][kVectors];
    load_pixels<kBlocks>(input + offsets[c] * Distance{kLanes}, inputs.block_pitch, pixels);
    const std::size_t end = weights.starts[c + 1];
    for (std::size_t i = weights.starts[c]; i < end; ++i) {
      const Vector weight = hn::Set(d, values[i]);
      float* HWY_RESTRICT sums = whole_address(output + std::size_t{to[i]} * kLanes);
      // All loads before all stores: blocks may lie a multiple of 4 KB apart, where a load waits for a store before it.
      Vector loaded[kBlocks][kVectors];
      load_pixels<kBlocks>(sums, pitch, loaded);
      EAUDEQN_UNROLL
      for (std::size_t b = 0; b < kBlocks; ++b) {
        EAUDEQN_UNROLL
        for (std::size_t v = 0; v < kVectors; ++v) {
          hn::Store(hn::MulAdd(weight, pixels[b][v], loaded[b][v]), d,
                    sums + static_cast<Distance>(b) * pitch + v * kVectorWidth);
        }
      }
    }
  }
}

void forward_columns_target(const ColumnWeights& weights, std::size_t first, std::size_t last,
                            const std::int32_t* offsets, const ConstUnitPixels& inputs, const UnitPixels& outputs,
                            std::size_t blocks) {
  std::size_t block = 0;
  for (; block + 2 <= blocks; block += 2) forward_blocks<2>(weights, first, last, offsets, inputs, outputs, block);
  if (block < blocks) forward_blocks<1>(weights, first, last, offsets, inputs, outputs, block);
}

// Where the gradient of one input begins and ends.
template <std::size_t kBlocks>
HWY_INLINE float* begin_input_gradient(const ColumnGradients& gradients, std::size_t column, std::size_t block,
                                       Vector (&sums)[kBlocks][kVectors]) {
  float* target = gradients.input_gradients.data +
                  static_cast<Distance>(block) * gradients.input_gradients.block_pitch +
                  gradients.gradient_offsets[column] * Distance{kLanes};
  if (gradients.accumulate) load_pixels<kBlocks>(target, gradients.input_gradients.block_pitch, sums);
  return target;
}
template <std::size_t kBlocks>
HWY_INLINE void end_input_gradient(const ColumnGradients& gradients, const Vector (&pixels)[kBlocks][kVectors],
                                   const Vector (&sums)[kBlocks][kVectors], float* HWY_RESTRICT target) {
  const Tag d;
  EAUDEQN_UNROLL
  for (std::size_t b = 0; b < kBlocks; ++b) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      Vector value = sums[b][v];
      if (gradients.relu) value = hn::IfThenElseZero(hn::Gt(pixels[b][v], hn::Zero(d)), value);
      hn::Store(value, d, target + static_cast<Distance>(b) * gradients.input_gradients.block_pitch + v * kVectorWidth);
    }
  }
}

// One entry: its share of the input gradient, and the running sums of its own gradient.
template <std::size_t kBlocks, bool kWeights, bool kInputs>
HWY_INLINE void backward_entry(const float* HWY_RESTRICT source, Distance pitch, float value,
                               const Vector (&pixels)[kBlocks][kVectors], Vector (&input_gradient)[kBlocks][kVectors],
                               Vector (&sums)[kVectors]) {
  Vector loaded[kBlocks][kVectors];
  load_pixels<kBlocks>(source, pitch, loaded);
  const Vector weight = hn::Set(Tag(), value);
  EAUDEQN_UNROLL
  for (std::size_t b = 0; b < kBlocks; ++b) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      if constexpr (kInputs) input_gradient[b][v] = hn::MulAdd(weight, loaded[b][v], input_gradient[b][v]);
      if constexpr (kWeights) sums[v] = hn::MulAdd(loaded[b][v], pixels[b][v], sums[v]);
    }
  }
}

// One column, kBlocks blocks from `block` on, of a batch of more blocks than that. `sums`: 16 of each entry, which
// begin at 0 in block 0 and wait in memory for the other blocks.
template <std::size_t kBlocks, bool kWeights, bool kInputs>
HWY_INLINE void backward_column(const ColumnWeights& weights, std::size_t column, const ColumnGradients& gradients,
                                std::size_t block, float* HWY_RESTRICT sums) {
  const Tag d;
  const auto b0 = static_cast<Distance>(block);
  Vector pixels[kBlocks][kVectors];
  load_pixels<kBlocks>(
      gradients.inputs.data + b0 * gradients.inputs.block_pitch + gradients.offsets[column] * Distance{kLanes},
      gradients.inputs.block_pitch, pixels);
  Vector input_gradient[kBlocks][kVectors] = {};
  float* HWY_RESTRICT target = kInputs ? begin_input_gradient(gradients, column, block, input_gradient) : nullptr;
  const float* HWY_RESTRICT from = gradients.output_gradients.data + b0 * gradients.output_gradients.block_pitch;
  const std::size_t end = weights.starts[column + 1];
  for (std::size_t i = weights.starts[column]; i < end; ++i, sums += kLanes) {
    Vector own[kVectors];
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      own[v] = block == 0 || !kWeights ? hn::Zero(d) : hn::Load(d, sums + v * kVectorWidth);
    }
    backward_entry<kBlocks, kWeights, kInputs>(whole_address(from + std::size_t{weights.outputs[i]} * kLanes),
                                               gradients.output_gradients.block_pitch, weights.values[i], pixels,
                                               input_gradient, own);
    EAUDEQN_UNROLL
    for (std::size_t v = 0; kWeights && v < kVectors; ++v) hn::Store(own[v], d, sums + v * kVectorWidth);
  }
  if constexpr (kInputs) end_input_gradient(gradients, pixels, input_gradient, target);
}

#if HWY_MAX_BYTES >= 32
// One column of a batch of kBlocks blocks: sums never leave the registers, eight entries are folded at once.
template <std::size_t kBlocks, bool kInputs>
HWY_INLINE void backward_whole_column(const ColumnWeights& weights, std::size_t column,
                                      const ColumnGradients& gradients) {
  const Tag d;
  Vector pixels[kBlocks][kVectors];
  load_pixels<kBlocks>(gradients.inputs.data + gradients.offsets[column] * Distance{kLanes},
                       gradients.inputs.block_pitch, pixels);
  Vector input_gradient[kBlocks][kVectors];
  EAUDEQN_UNROLL
  for (std::size_t b = 0; b < kBlocks; ++b) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) input_gradient[b][v] = hn::Zero(d);
  }
  float* HWY_RESTRICT target = kInputs ? begin_input_gradient(gradients, column, 0, input_gradient) : nullptr;
  const std::uint16_t* HWY_RESTRICT outputs = weights.outputs;
  const float* HWY_RESTRICT values = weights.values;
  const float* HWY_RESTRICT from = gradients.output_gradients.data;
  const Distance pitch = gradients.output_gradients.block_pitch;
  const auto entry = [&](std::size_t i, LaneSums8& eight) HWY_ATTR {
    Vector own[kVectors];
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) own[v] = hn::Zero(d);
    backward_entry<kBlocks, true, kInputs>(whole_address(from + std::size_t{outputs[i]} * kLanes), pitch, values[i],
                                           pixels, input_gradient, own);
    eight = fold_to_8(own);
  };
  const std::size_t end = weights.starts[column + 1];
  std::size_t i = weights.starts[column];
  LaneSums8 eights[8];
  for (; i + 8 <= end; i += 8) {
    EAUDEQN_UNROLL
    for (std::size_t w = 0; w < 8; ++w) entry(i + w, eights[w]);
    fold_eight(eights, gradients.weights + i);
  }
  if (i < end) {
    const std::size_t rest = end - i;
    for (std::size_t w = 0; w < 8; ++w) eights[w] = hn::Zero(hn::FixedTag<float, 8>());
    EAUDEQN_UNROLL
    for (std::size_t w = 0; w < 7; ++w) {
      if (w < rest) entry(i + w, eights[w]);
    }
    float folded[8];
    fold_eight(eights, folded);
    for (std::size_t w = 0; w < rest; ++w) gradients.weights[i + w] = folded[w];
  }
  if constexpr (kInputs) end_input_gradient(gradients, pixels, input_gradient, target);
}
#endif

// Columns first .. last - 1, whose sums fit the scratch.
template <bool kWeights, bool kInputs>
void backward_panel(const ColumnWeights& weights, std::size_t first, std::size_t last, const ColumnGradients& gradients,
                    float* scratch) {
  const std::size_t begin = weights.starts[first];
  std::size_t block = 0;
  for (; block + 2 <= gradients.blocks; block += 2) {
    for (std::size_t c = first; c < last; ++c) {
      backward_column<2, kWeights, kInputs>(weights, c, gradients, block,
                                            scratch + (weights.starts[c] - begin) * kLanes);
    }
  }
  if (block < gradients.blocks) {
    for (std::size_t c = first; c < last; ++c) {
      backward_column<1, kWeights, kInputs>(weights, c, gradients, block,
                                            scratch + (weights.starts[c] - begin) * kLanes);
    }
  }
  if constexpr (kWeights) fold_all(scratch, weights.starts[last] - begin, gradients.weights + begin);
}

// A column with more entries than the scratch holds goes in pieces; the input gradient waits in memory between them.
template <bool kWeights, bool kInputs>
void backward_long_column(const ColumnWeights& weights, std::size_t column, const ColumnGradients& gradients,
                          float* scratch) {
  constexpr std::size_t kEntries = kColumnScratch / kLanes;
  const std::size_t end = weights.starts[column + 1];
  for (std::size_t begin = weights.starts[column]; begin < end; begin += kEntries) {
    const std::size_t piece_end = HWY_MIN(begin + kEntries, end);
    const std::size_t starts[2] = {begin, piece_end};
    ColumnGradients piece = gradients;
    piece.offsets += column;
    if (kInputs) piece.gradient_offsets += column;
    piece.accumulate = gradients.accumulate || begin != weights.starts[column];
    piece.relu = gradients.relu && piece_end == end;
    backward_panel<kWeights, kInputs>({starts, weights.outputs, weights.values}, 0, 1, piece, scratch);
  }
}

template <bool kWeights, bool kInputs>
void backward_columns_of(const ColumnWeights& weights, std::size_t first, std::size_t last,
                         const ColumnGradients& gradients, float* scratch) {
#if HWY_MAX_BYTES >= 32
  if constexpr (kWeights) {
    if (gradients.blocks <= 2) {
      for (std::size_t c = first; c < last; ++c) {
        if (gradients.blocks == 2) {
          backward_whole_column<2, kInputs>(weights, c, gradients);
        } else {
          backward_whole_column<1, kInputs>(weights, c, gradients);
        }
      }
      return;
    }
  }
#endif
  constexpr std::size_t kEntries = kColumnScratch / kLanes;
  std::size_t c = first;
  while (c < last) {
    std::size_t end = c + 1;
    while (end < last && weights.starts[end + 1] - weights.starts[c] <= kEntries) ++end;
    if (weights.starts[end] - weights.starts[c] <= kEntries) {
      backward_panel<kWeights, kInputs>(weights, c, end, gradients, scratch);
    } else {
      backward_long_column<kWeights, kInputs>(weights, c, gradients, scratch);
    }
    c = end;
  }
}

void backward_columns_target(const ColumnWeights& weights, std::size_t first, std::size_t last,
                             const ColumnGradients& gradients, float* scratch) {
  const bool inputs = gradients.input_gradients.data != nullptr;
  if (gradients.weights == nullptr) {
    if (inputs) backward_columns_of<false, true>(weights, first, last, gradients, scratch);
  } else if (inputs) {
    backward_columns_of<true, true>(weights, first, last, gradients, scratch);
  } else {
    backward_columns_of<true, false>(weights, first, last, gradients, scratch);
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(forward_columns_target);
HWY_EXPORT(backward_columns_target);

void forward_columns(const ColumnWeights& weights, std::size_t first, std::size_t last, const std::int32_t* offsets,
                     const ConstUnitPixels& inputs, const UnitPixels& outputs, std::size_t blocks) {
  HWY_DYNAMIC_DISPATCH(forward_columns_target)(weights, first, last, offsets, inputs, outputs, blocks);
}

void backward_columns(const ColumnWeights& weights, std::size_t first, std::size_t last,
                      const ColumnGradients& gradients, float* scratch) {
  HWY_DYNAMIC_DISPATCH(backward_columns_target)(weights, first, last, gradients, scratch);
}

}  // namespace eaudeqn
#endif

// See panels.h. Tiles: as many accumulators as the register file holds, less a few for what they meet.
#include "engine/kernels/panels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/panels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/pixel_vectors.h"
#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_TARGET == HWY_NEON;
// Blocks that a tile meets, and its units: 24 accumulators of 32 registers, 12 of 16, where two blocks would leave no
// registers for their pixels. Eight outputs, not twelve, divide a panel.
constexpr std::size_t kTileBlocks = kManyRegisters ? 2 : 1;
constexpr std::size_t kTileOutputs = HWY_MAX((kManyRegisters ? 16 : 12) / (kTileBlocks * kVectors), std::size_t{1});
constexpr std::size_t kTileInputs = HWY_MAX((kManyRegisters ? 24 : 12) / (kTileBlocks * kVectors), std::size_t{1});

template <std::size_t kBlocks>
using Pixel = Vector[kBlocks][kVectors];

// sums[u] += weights[u * step] x pixel.
template <std::size_t kUnits, std::size_t kBlocks>
HWY_INLINE void multiply_add(const float* HWY_RESTRICT weights, std::size_t step, const Pixel<kBlocks>& pixel,
                             Pixel<kBlocks> (&sums)[kUnits]) {
  EAUDEQN_UNROLL
  for (std::size_t u = 0; u < kUnits; ++u) {
    const Vector weight = hn::Set(Tag(), weights[u * step]);
    EAUDEQN_UNROLL
    for (std::size_t b = 0; b < kBlocks; ++b) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) sums[u][b][v] = hn::MulAdd(weight, pixel[b][v], sums[u][b][v]);
    }
  }
}

// What a forward tile needs besides its place.
struct Forward {
  const PanelWeights& weights;
  const std::int32_t* offsets;
  const ConstUnitPixels& inputs;
  const float* biases;
  bool relu;
  const UnitPixels& outputs;
};

// Inputs [begin, end) of kOutputs outputs from `output` on, kBlocks blocks from `block` on. Sums wait in the output
// between ranges of inputs.
template <std::size_t kOutputs, std::size_t kBlocks>
HWY_INLINE void forward_tile(const Forward& f, std::size_t output, std::size_t block, std::size_t begin,
                             std::size_t end) {
  const Tag d;
  const float* HWY_RESTRICT weights = f.weights.data + f.weights.place(output, 0);
  const float* HWY_RESTRICT input = f.inputs.data + static_cast<Distance>(block) * f.inputs.block_pitch;
  float* HWY_RESTRICT target = f.outputs.data + static_cast<Distance>(block) * f.outputs.block_pitch + output * kLanes;
  Pixel<kBlocks> sums[kOutputs];
  EAUDEQN_UNROLL
  for (std::size_t o = 0; o < kOutputs; ++o) {
    if (begin > 0) {
      load_pixels<kBlocks>(target + o * kLanes, f.outputs.block_pitch, sums[o]);
      continue;
    }
    EAUDEQN_UNROLL
    for (std::size_t b = 0; b < kBlocks; ++b) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) sums[o][b][v] = hn::Set(d, f.biases[output + o]);
    }
  }
  for (std::size_t i = begin; i < end; ++i) {
    Pixel<kBlocks> pixel;
    load_pixels<kBlocks>(input + f.offsets[i] * Distance{kLanes}, f.inputs.block_pitch, pixel);
    multiply_add<kOutputs, kBlocks>(weights + i * kPanelOutputs, 1, pixel, sums);
  }
  const bool relu = f.relu && end == f.weights.inputs;
  EAUDEQN_UNROLL
  for (std::size_t o = 0; o < kOutputs; ++o) {
    EAUDEQN_UNROLL
    for (std::size_t b = 0; relu && b < kBlocks; ++b) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) sums[o][b][v] = hn::Max(hn::Zero(d), sums[o][b][v]);  // keeps NaN
    }
    store_pixels<kBlocks>(sums[o], target + o * kLanes, f.outputs.block_pitch);
  }
}

template <std::size_t kOutputs, std::size_t kBlocks>
HWY_INLINE void forward_remainder(const Forward& f, std::size_t output, std::size_t outputs, std::size_t block,
                                  std::size_t begin, std::size_t end) {
  if constexpr (kOutputs > 0) {
    if (outputs == kOutputs) return forward_tile<kOutputs, kBlocks>(f, output, block, begin, end);
    forward_remainder<kOutputs - 1, kBlocks>(f, output, outputs, block, begin, end);
  }
}

template <std::size_t kBlocks>
void forward_block(const Forward& f, std::size_t panel, std::size_t block, std::size_t begin, std::size_t end) {
  const std::size_t last = HWY_MIN((panel + 1) * kPanelOutputs, f.weights.outputs);
  std::size_t output = panel * kPanelOutputs;
  for (; output + kTileOutputs <= last; output += kTileOutputs) {
    forward_tile<kTileOutputs, kBlocks>(f, output, block, begin, end);
  }
  forward_remainder<kTileOutputs - 1, kBlocks>(f, output, last - output, block, begin, end);
}

void forward_panels_target(const PanelWeights& weights, std::size_t first, std::size_t last,
                           const std::int32_t* offsets, const ConstUnitPixels& inputs, const float* biases, bool relu,
                           const UnitPixels& outputs, std::size_t blocks) {
  constexpr std::size_t kSegment =
      128;  // inputs: with two blocks 16 KB, which all panels find in the first-level cache
  const Forward f{weights, offsets, inputs, biases, relu, outputs};
  for (std::size_t begin = 0; begin < weights.inputs; begin += kSegment) {
    const std::size_t end = HWY_MIN(begin + kSegment, weights.inputs);
    std::size_t block = 0;
    for (; block + 2 <= blocks; block += 2) {
      for (std::size_t panel = first; panel < last; ++panel) {
        for (std::size_t b = block; b < block + 2; b += kTileBlocks)
          forward_block<kTileBlocks>(f, panel, b, begin, end);
      }
    }
    for (std::size_t panel = first; block < blocks && panel < last; ++panel) {
      forward_block<1>(f, panel, block, begin, end);
    }
  }
}

// kInputs inputs from `input` on, outputs of panels [first, last), kBlocks blocks from `block` on.
template <std::size_t kInputs, std::size_t kBlocks>
HWY_INLINE void input_tile(const PanelWeights& weights, const ColumnGradients& g, std::size_t input, std::size_t block,
                           std::size_t first, std::size_t last) {
  const Tag d;
  const Distance target_pitch = g.input_gradients.block_pitch;
  float* HWY_RESTRICT target = g.input_gradients.data + static_cast<Distance>(block) * target_pitch;
  Pixel<kBlocks> sums[kInputs];
  EAUDEQN_UNROLL
  for (std::size_t i = 0; i < kInputs; ++i) {
    if (first > 0 || g.accumulate) {
      load_pixels<kBlocks>(target + g.gradient_offsets[input + i] * Distance{kLanes}, target_pitch, sums[i]);
      continue;
    }
    EAUDEQN_UNROLL
    for (std::size_t b = 0; b < kBlocks; ++b) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) sums[i][b][v] = hn::Zero(d);
    }
  }
  const float* HWY_RESTRICT from =
      g.output_gradients.data + static_cast<Distance>(block) * g.output_gradients.block_pitch;
  for (std::size_t panel = first; panel < last; ++panel) {
    const float* HWY_RESTRICT panel_weights = weights.data + weights.place(panel * kPanelOutputs, input);
    const std::size_t outputs = HWY_MIN(kPanelOutputs, weights.outputs - panel * kPanelOutputs);
    for (std::size_t o = 0; o < outputs; ++o) {
      Pixel<kBlocks> pixel;
      load_pixels<kBlocks>(from + (panel * kPanelOutputs + o) * kLanes, g.output_gradients.block_pitch, pixel);
      multiply_add<kInputs, kBlocks>(panel_weights + o, kPanelOutputs, pixel, sums);
    }
  }
  const bool relu = g.relu && last == weights.panels();
  EAUDEQN_UNROLL
  for (std::size_t i = 0; i < kInputs; ++i) {
    if (relu) {
      Pixel<kBlocks> source;
      load_pixels<kBlocks>(
          g.inputs.data + static_cast<Distance>(block) * g.inputs.block_pitch + g.offsets[input + i] * Distance{kLanes},
          g.inputs.block_pitch, source);
      EAUDEQN_UNROLL
      for (std::size_t b = 0; b < kBlocks; ++b) {
        EAUDEQN_UNROLL
        for (std::size_t v = 0; v < kVectors; ++v) {
          sums[i][b][v] = hn::IfThenElseZero(hn::Gt(source[b][v], hn::Zero(d)), sums[i][b][v]);
        }
      }
    }
    store_pixels<kBlocks>(sums[i], target + g.gradient_offsets[input + i] * Distance{kLanes}, target_pitch);
  }
}

template <std::size_t kInputs, std::size_t kBlocks>
HWY_INLINE void input_remainder(const PanelWeights& weights, const ColumnGradients& g, std::size_t input,
                                std::size_t inputs, std::size_t block, std::size_t first, std::size_t last) {
  if constexpr (kInputs > 0) {
    if (inputs == kInputs) return input_tile<kInputs, kBlocks>(weights, g, input, block, first, last);
    input_remainder<kInputs - 1, kBlocks>(weights, g, input, inputs, block, first, last);
  }
}

// Blocks [block, end_block), kBlocks at a time; each tile's weights stay in the first-level cache for all of them.
template <std::size_t kBlocks>
void input_blocks(const PanelWeights& weights, std::size_t first, std::size_t last, const ColumnGradients& g,
                  std::size_t block, std::size_t end_block) {
  constexpr std::size_t kPanels = 8;  // their gradients, with two blocks 16 KB, stay in the first-level cache
  for (std::size_t panel = 0; panel < weights.panels(); panel += kPanels) {
    const std::size_t end = HWY_MIN(panel + kPanels, weights.panels());
    std::size_t input = first;
    for (; input + kTileInputs <= last; input += kTileInputs) {
      for (std::size_t b = block; b < end_block; b += kBlocks) {
        input_tile<kTileInputs, kBlocks>(weights, g, input, b, panel, end);
      }
    }
    for (std::size_t b = block; b < end_block; b += kBlocks) {
      input_remainder<kTileInputs - 1, kBlocks>(weights, g, input, last - input, b, panel, end);
    }
  }
}

void input_gradient_panels_target(const PanelWeights& weights, std::size_t first, std::size_t last,
                                  const ColumnGradients& g) {
  std::size_t block = 0;
  for (; block + 2 <= g.blocks; block += 2) input_blocks<kTileBlocks>(weights, first, last, g, block, block + 2);
  if (block < g.blocks) input_blocks<1>(weights, first, last, g, block, block + 1);
}

// kInputs inputs x the panels of one vector row.
template <std::size_t kInputs, std::size_t kPanels>
HWY_INLINE void weight_tile(const float* HWY_RESTRICT transposed, std::size_t pitch, std::size_t samples,
                            const std::int32_t* HWY_RESTRICT offsets, const ConstUnitPixels& inputs,
                            std::size_t panel_size, float* HWY_RESTRICT gradient) {
  const Tag d;
  Vector sums[kInputs][kPanels][kVectors];
  const float* HWY_RESTRICT sources[kInputs];
  EAUDEQN_UNROLL
  for (std::size_t i = 0; i < kInputs; ++i) {
    sources[i] = inputs.data + offsets[i] * Distance{kLanes};
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPanels; ++p) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) sums[i][p][v] = hn::Zero(d);
    }
  }
  for (std::size_t first = 0; first < samples; first += kLanes) {
    const Distance block = static_cast<Distance>(first / kLanes) * inputs.block_pitch;
    const std::size_t some = HWY_MIN(kLanes, samples - first);
    for (std::size_t s = 0; s < some; ++s, transposed += pitch) {
      Vector loaded[kPanels][kVectors];
      EAUDEQN_UNROLL
      for (std::size_t p = 0; p < kPanels; ++p) {
        EAUDEQN_UNROLL
        for (std::size_t v = 0; v < kVectors; ++v) {
          loaded[p][v] = hn::Load(d, transposed + p * kPanelOutputs + v * kVectorWidth);
        }
      }
      EAUDEQN_UNROLL
      for (std::size_t i = 0; i < kInputs; ++i) {
        const Vector value = hn::Set(d, sources[i][block + static_cast<Distance>(s)]);
        EAUDEQN_UNROLL
        for (std::size_t p = 0; p < kPanels; ++p) {
          EAUDEQN_UNROLL
          for (std::size_t v = 0; v < kVectors; ++v) sums[i][p][v] = hn::MulAdd(value, loaded[p][v], sums[i][p][v]);
        }
      }
    }
  }
  EAUDEQN_UNROLL
  for (std::size_t i = 0; i < kInputs; ++i) {
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPanels; ++p) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        hn::Store(sums[i][p][v], d, gradient + p * panel_size + i * kPanelOutputs + v * kVectorWidth);
      }
    }
  }
}

template <std::size_t kInputs, std::size_t kPanels>
HWY_INLINE void weight_remainder(std::size_t count, const float* transposed, std::size_t pitch, std::size_t samples,
                                 const std::int32_t* offsets, const ConstUnitPixels& inputs, std::size_t panel_size,
                                 float* gradient) {
  if constexpr (kInputs > 0) {
    if (count == kInputs) {
      weight_tile<kInputs, kPanels>(transposed, pitch, samples, offsets, inputs, panel_size, gradient);
    } else {
      weight_remainder<kInputs - 1, kPanels>(count, transposed, pitch, samples, offsets, inputs, panel_size, gradient);
    }
  }
}

template <std::size_t kPanels>
void weight_panels(const float* transposed, std::size_t pitch, std::size_t samples, std::size_t first, std::size_t last,
                   const std::int32_t* offsets, const ConstUnitPixels& inputs, float* gradient) {
  constexpr std::size_t kTile = HWY_MAX((kManyRegisters ? 24 : 12) / (kPanels * kVectors), std::size_t{1});
  const std::size_t panel_size = (last - first) * kPanelOutputs;
  std::size_t i = first;
  for (; i + kTile <= last; i += kTile, gradient += kTile * kPanelOutputs) {
    weight_tile<kTile, kPanels>(transposed, pitch, samples, offsets + i, inputs, panel_size, gradient);
  }
  weight_remainder<kTile - 1, kPanels>(last - i, transposed, pitch, samples, offsets + i, inputs, panel_size, gradient);
}

void weight_gradient_panels_target(const float* transposed, std::size_t pitch, std::size_t samples, std::size_t panel,
                                   std::size_t count, std::size_t first, std::size_t last, const std::int32_t* offsets,
                                   const ConstUnitPixels& inputs, float* gradient) {
  transposed += panel * kPanelOutputs;
  // One panel at a time where two would leave too few inputs for a tile.
  constexpr std::size_t kTogether = kVectors == 1 ? 2 : 1;
  const std::size_t panel_size = (last - first) * kPanelOutputs;
  if (count == 2 && kTogether == 2) {
    return weight_panels<2>(transposed, pitch, samples, first, last, offsets, inputs, gradient);
  }
  for (std::size_t p = 0; p < count; ++p) {
    weight_panels<1>(transposed + p * kPanelOutputs, pitch, samples, first, last, offsets, inputs,
                     gradient + p * panel_size);
  }
}

// Outputs [first, last) of one block: from[output * 16 + sample] -> to[sample * pitch + output].
HWY_INLINE void transpose_outputs(const float* HWY_RESTRICT from, std::size_t first, std::size_t last,
                                  std::size_t pitch, float* HWY_RESTRICT to) {
  std::size_t o = first;
#if HWY_TARGET != HWY_SCALAR  // the baseline has no vectors
  const hn::FixedTag<float, 4> d;
  for (std::size_t s = 0; s < kLanes; s += 4) {
    for (o = first; o + 4 <= last; o += 4) {
      const float* HWY_RESTRICT four = from + o * kLanes + s;
      const auto row0 = hn::Load(d, four);
      const auto row1 = hn::Load(d, four + kLanes);
      const auto row2 = hn::Load(d, four + 2 * kLanes);
      const auto row3 = hn::Load(d, four + 3 * kLanes);
      const auto low02 = hn::InterleaveLower(d, row0, row2);
      const auto low13 = hn::InterleaveLower(d, row1, row3);
      const auto high02 = hn::InterleaveUpper(d, row0, row2);
      const auto high13 = hn::InterleaveUpper(d, row1, row3);
      float* HWY_RESTRICT column = to + s * pitch + o;
      hn::StoreU(hn::InterleaveLower(d, low02, low13), d, column);
      hn::StoreU(hn::InterleaveUpper(d, low02, low13), d, column + pitch);
      hn::StoreU(hn::InterleaveLower(d, high02, high13), d, column + 2 * pitch);
      hn::StoreU(hn::InterleaveUpper(d, high02, high13), d, column + 3 * pitch);
    }
  }
#endif
  for (; o < last; ++o) {
    for (std::size_t s = 0; s < kLanes; ++s) to[s * pitch + o] = from[o * kLanes + s];
  }
}

void transpose_target(const ConstUnitPixels& output_gradients, std::size_t outputs, std::size_t blocks,
                      std::size_t pitch, float* transposed) {
  for (std::size_t b = 0; b < blocks; ++b, transposed += kLanes * pitch) {
    const float* from = output_gradients.data + static_cast<Distance>(b) * output_gradients.block_pitch;
    // A cache line of each sample at a time.
    for (std::size_t o = 0; o < outputs; o += kLanes) {
      transpose_outputs(from, o, HWY_MIN(o + kLanes, outputs), pitch, transposed);
    }
    for (std::size_t s = 0; s < kLanes; ++s) {
      for (std::size_t o = outputs; o < pitch; ++o) transposed[s * pitch + o] = 0.0F;
    }
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(forward_panels_target);
HWY_EXPORT(input_gradient_panels_target);
HWY_EXPORT(weight_gradient_panels_target);
HWY_EXPORT(transpose_target);

void forward_panels(const PanelWeights& weights, std::size_t first, std::size_t last, const std::int32_t* offsets,
                    const ConstUnitPixels& inputs, const float* biases, bool relu, const UnitPixels& outputs,
                    std::size_t blocks) {
  HWY_DYNAMIC_DISPATCH(forward_panels_target)
  (weights, first, last, offsets, inputs, biases, relu, outputs, blocks);
}

void input_gradient_panels(const PanelWeights& weights, std::size_t first, std::size_t last,
                           const ColumnGradients& gradients) {
  HWY_DYNAMIC_DISPATCH(input_gradient_panels_target)(weights, first, last, gradients);
}

void transpose_output_gradients(const ConstUnitPixels& output_gradients, std::size_t outputs, std::size_t blocks,
                                std::size_t pitch, float* transposed) {
  HWY_DYNAMIC_DISPATCH(transpose_target)(output_gradients, outputs, blocks, pitch, transposed);
}

void weight_gradient_panels(const float* transposed, std::size_t pitch, std::size_t samples, std::size_t panel,
                            std::size_t count, std::size_t first, std::size_t last, const std::int32_t* offsets,
                            const ConstUnitPixels& inputs, float* gradient) {
  HWY_DYNAMIC_DISPATCH(weight_gradient_panels_target)
  (transposed, pitch, samples, panel, count, first, last, offsets, inputs, gradient);
}

}  // namespace eaudeqn
#endif

// See weight_gradient.h.
#include "engine/kernels/weight_gradient.h"

#include "engine/kernels/byte_input.h"
#include "engine/kernels/byte_window.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/weight_gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/input_vectors.h"
#include "engine/kernels/lane_sums.h"
#include "engine/kernels/pixel_vectors.h"
#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

constexpr std::size_t kSums = kVectors;  // that hold the 16 running sums of one weight
constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_TARGET == HWY_NEON;
// Output-gradient pixels of a sparse tile: as many as the registers hold, at most 12.
constexpr std::size_t kTilePixels =
    HWY_MAX(HWY_MIN((kManyRegisters ? 24 : 12) / kSums, std::size_t{12}), std::size_t{1});
// Of a dense layer, whose pixels are the blocks of a batch: 16 are a batch of 256. The step between them is not
// constant.
constexpr std::size_t kBatchPixels = kManyRegisters && kSums == 1 ? 16 : kTilePixels;
constexpr std::size_t kCachedGradients = 3072;  // floats: a third of it

// A tile of kPixels output-gradient pixels in registers meets every weight of one channel. kStep: the input step where
// it is that of stride 1, 2 or 4 (a constant costs no instruction), else 0.
template <typename Element, Distance kStep, std::size_t kPixels>
HWY_INLINE void sparse_tile(const float* HWY_RESTRICT gradient, Distance gradient_step,
                            const Element* HWY_RESTRICT input, Distance any_step,
                            const std::int32_t* HWY_RESTRICT offsets, std::size_t count, float* HWY_RESTRICT scratch,
                            float* HWY_RESTRICT bias) {
  const Tag d;
  const Distance input_step = kStep != 0 ? kStep : any_step;
  Vector tile[kPixels][kSums];
  EAUDEQN_UNROLL
  for (std::size_t p = 0; p < kPixels; ++p) {
    EAUDEQN_UNROLL
    for (std::size_t s = 0; s < kSums; ++s) {
      tile[p][s] = hn::Load(d, gradient + static_cast<Distance>(p) * gradient_step + s * kVectorWidth);
    }
  }
  for (std::size_t v = 0; bias != nullptr && v < kSums; ++v) {
    Vector sum = hn::Load(d, bias + v * kVectorWidth);
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) sum = hn::Add(sum, tile[p][v]);
    hn::Store(sum, d, bias + v * kVectorWidth);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Element* HWY_RESTRICT source = whole_address(input + offsets[i] * Distance{kLanes});
    Vector sums[kSums];
    EAUDEQN_UNROLL
    for (std::size_t s = 0; s < kSums; ++s) sums[s] = hn::Load(d, scratch + i * kLanes + s * kVectorWidth);
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      EAUDEQN_UNROLL
      for (std::size_t s = 0; s < kSums; ++s) {
        const Element* at = source + static_cast<Distance>(p) * input_step + s * kVectorWidth;
        sums[s] = hn::MulAdd(tile[p][s], load_input(at), sums[s]);
      }
    }
    EAUDEQN_UNROLL
    for (std::size_t s = 0; s < kSums; ++s) hn::Store(sums[s], d, scratch + i * kLanes + s * kVectorWidth);
  }
}

// The folds of `count` weights, added to `gradient` or put there.
template <typename Element>
void reduce_scratch(const float* scratch, std::size_t count, bool accumulate, float* gradient) {
  constexpr std::size_t kFolds = 64;
  HWY_ALIGN float folds[kFolds];
  for (std::size_t first = 0; first < count; first += kFolds) {
    const std::size_t some = HWY_MIN(count - first, kFolds);
    fold_all(scratch + first * kLanes, some, folds);
    for (std::size_t i = 0; i < some; ++i) {
      const float fold = sizeof(Element) == 1 ? folds[i] * kByteScale : folds[i];
      gradient[first + i] = accumulate ? gradient[first + i] + fold : fold;
    }
  }
}

// Rows of one, two or kBatchPixels pixels (dense layers, batches up to 32 and of 256): sums never leave registers.
template <std::size_t kPixels>
HWY_INLINE void multiply_few(const GradientPlanes& planes, const Vector (&tile)[kPixels][kSums], std::int32_t offset,
                             Vector (&sums)[kSums]) {
  const Tag d;
  const float* HWY_RESTRICT source = whole_address(planes.input + offset * Distance{kLanes});
  EAUDEQN_UNROLL
  for (std::size_t s = 0; s < kSums; ++s) sums[s] = hn::Zero(d);
  EAUDEQN_UNROLL
  for (std::size_t p = 0; p < kPixels; ++p) {
    EAUDEQN_UNROLL
    for (std::size_t s = 0; s < kSums; ++s) {
      const float* at = source + static_cast<Distance>(p) * planes.input_step + s * kVectorWidth;
      sums[s] = hn::MulAdd(tile[p][s], hn::Load(d, at), sums[s]);
    }
  }
}

#if HWY_MAX_BYTES >= 32
template <std::size_t kPixels>
HWY_INLINE void multiply_eight(const GradientPlanes& planes, const Vector (&tile)[kPixels][kSums],
                               const std::int32_t* offsets, float* HWY_RESTRICT gradient) {
  LaneSums8 eights[8];
  EAUDEQN_UNROLL
  for (std::size_t w = 0; w < 8; ++w) {
    Vector sums[kSums];
    multiply_few<kPixels>(planes, tile, offsets[w], sums);
    eights[w] = fold_to_8(sums);
  }
  fold_eight(eights, gradient);
}

// Fewer than eight.
template <std::size_t kPixels>
HWY_INLINE void multiply_last(const GradientPlanes& planes, const Vector (&tile)[kPixels][kSums],
                              const std::int32_t* offsets, std::size_t count, float* HWY_RESTRICT gradient) {
  LaneSums8 eights[8];
  for (LaneSums8& eight : eights) eight = hn::Zero(hn::FixedTag<float, 8>());
  EAUDEQN_UNROLL
  for (std::size_t w = 0; w < 7; ++w) {
    if (w >= count) break;
    Vector sums[kSums];
    multiply_few<kPixels>(planes, tile, offsets[w], sums);
    eights[w] = fold_to_8(sums);
  }
  fold_eight(eights, gradient);
}
#endif

template <std::size_t kPixels>
void few_pixels(const GradientPlanes& planes, const float* gradient_row, const std::int32_t* offsets, std::size_t count,
                float* HWY_RESTRICT gradient) {
  const Tag d;
  Vector tile[kPixels][kSums];
  EAUDEQN_UNROLL
  for (std::size_t p = 0; p < kPixels; ++p) {
    EAUDEQN_UNROLL
    for (std::size_t s = 0; s < kSums; ++s) {
      tile[p][s] = hn::Load(d, gradient_row + static_cast<Distance>(p) * planes.gradient_step + s * kVectorWidth);
    }
  }
  std::size_t i = 0;
#if HWY_MAX_BYTES >= 32
  for (; i + 8 <= count; i += 8) multiply_eight<kPixels>(planes, tile, offsets + i, gradient + i);
  if (i == count) return;
  float last[8];
  multiply_last<kPixels>(planes, tile, offsets + i, count - i, last);
  for (std::size_t w = 0; i < count; ++i, ++w) gradient[i] = last[w];
#else
  for (; i < count; ++i) {
    Vector sums[kSums];
    HWY_ALIGN float buffer[kLanes];
    multiply_few<kPixels>(planes, tile, offsets[i], sums);
    for (std::size_t s = 0; s < kSums; ++s) hn::Store(sums[s], d, buffer + s * kVectorWidth);
    gradient[i] = fold_one(buffer);
  }
#endif
}

void bias_gradient_target(const GradientPlanes& planes, std::size_t channels, float* gradient) {
  const Tag d;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t b = 0; b < planes.blocks; ++b) {
      Vector sums[kSums];
      for (std::size_t s = 0; s < kSums; ++s) sums[s] = hn::Zero(d);
      for (std::size_t y = 0; y < planes.height; ++y) {
        const float* pixel = planes.output_gradient + static_cast<std::ptrdiff_t>(c) * planes.gradient_channel_pitch +
                             static_cast<std::ptrdiff_t>(b) * planes.gradient_block_pitch +
                             static_cast<std::ptrdiff_t>(y) * planes.gradient_row_pitch;
        for (std::size_t x = 0; x < planes.width; ++x, pixel += planes.gradient_step) {
          for (std::size_t s = 0; s < kSums; ++s) sums[s] = hn::Add(sums[s], hn::Load(d, pixel + s * kVectorWidth));
        }
      }
      HWY_ALIGN float buffer[kLanes];
      for (std::size_t s = 0; s < kSums; ++s) hn::Store(sums[s], d, buffer + s * kVectorWidth);
      reduce_scratch<float>(buffer, 1, planes.accumulate || b > 0, gradient + c);
    }
  }
}

HWY_INLINE bool is_short_row(const GradientPlanes& planes) {
  const bool short_width = planes.width <= 2 || (planes.width == kBatchPixels && kBatchPixels > kTilePixels);
  return short_width && planes.bytes == nullptr && planes.height == 1 && planes.blocks == 1 && !planes.accumulate;
}
void short_row(const GradientPlanes& planes, std::size_t channel, const std::int32_t* offsets, std::size_t count,
               float* gradient) {
  const float* row = planes.output_gradient + static_cast<Distance>(channel) * planes.gradient_channel_pitch;
  if (planes.width == 1) {
    few_pixels<1>(planes, row, offsets, count, gradient);
  } else if (planes.width == 2) {
    few_pixels<2>(planes, row, offsets, count, gradient);
  } else {
    few_pixels<kBatchPixels>(planes, row, offsets, count, gradient);
  }
}

// Entries of one channel; `sums` are its places in the scratch, `bias` those of the channel's bias if this piece is its
// first and it is wanted.
struct Piece {
  std::size_t channel, begin, count;
  float* sums;
  float* bias;
};

// kPixels pixels of a row from pixel x on, all pieces: the inputs under the tile stay in the first-level cache.
template <typename Element, Distance kStep, std::size_t kPixels>
void sum_tile(const GradientPlanes& planes, const Piece* pieces, std::size_t count, const std::int32_t* offsets,
              const float* gradient_row, const Element* input_row, std::size_t x) {
  const Element* input = input_row + static_cast<Distance>(x) * planes.input_step;
  const float* gradient = gradient_row + static_cast<Distance>(x) * planes.gradient_step;
  for (std::size_t i = 0; i < count; ++i) {
    const Piece& piece = pieces[i];
    sparse_tile<Element, kStep, kPixels>(
        gradient + static_cast<Distance>(piece.channel) * planes.gradient_channel_pitch, planes.gradient_step, input,
        planes.input_step, offsets + piece.begin, piece.count, piece.sums, piece.bias);
  }
}

// The last width % kTilePixels pixels of a row, as one tile of at most kPixels.
template <typename Element, Distance kStep, std::size_t kPixels>
void sum_remainder(const GradientPlanes& planes, const Piece* pieces, std::size_t count, const std::int32_t* offsets,
                   const float* gradient_row, const Element* input_row, std::size_t x) {
  if constexpr (kPixels > 0) {
    if (planes.width - x == kPixels) {
      sum_tile<Element, kStep, kPixels>(planes, pieces, count, offsets, gradient_row, input_row, x);
    } else {
      sum_remainder<Element, kStep, kPixels - 1>(planes, pieces, count, offsets, gradient_row, input_row, x);
    }
  }
}

template <typename Element, Distance kStep>
void sum_row(const GradientPlanes& planes, const Piece* pieces, std::size_t count, const std::int32_t* offsets,
             const float* gradient_row, const Element* input_row) {
  std::size_t x = 0;
  for (; kStep == 0 && x + kBatchPixels <= planes.width; x += kBatchPixels) {
    sum_tile<Element, kStep, kStep == 0 ? kBatchPixels : kTilePixels>(planes, pieces, count, offsets, gradient_row,
                                                                      input_row, x);
  }
  for (; x + kTilePixels <= planes.width; x += kTilePixels) {
    sum_tile<Element, kStep, kTilePixels>(planes, pieces, count, offsets, gradient_row, input_row, x);
  }
  sum_remainder<Element, kStep, kTilePixels - 1>(planes, pieces, count, offsets, gradient_row, input_row, x);
}

template <typename Element>
void sum_row_of_step(const GradientPlanes& planes, const Piece* pieces, std::size_t count, const std::int32_t* offsets,
                     const float* gradient_row, const Element* input_row) {
#ifdef NDEBUG  // as in rows.cc
  switch (planes.input_step) {
    case Distance{kLanes}:
      return sum_row<Element, Distance{kLanes}>(planes, pieces, count, offsets, gradient_row, input_row);
    case Distance{2 * kLanes}:
      return sum_row<Element, Distance{2 * kLanes}>(planes, pieces, count, offsets, gradient_row, input_row);
    case Distance{4 * kLanes}:
      return sum_row<Element, Distance{4 * kLanes}>(planes, pieces, count, offsets, gradient_row, input_row);
    default:
      break;
  }
#endif
  sum_row<Element, 0>(planes, pieces, count, offsets, gradient_row, input_row);
}

// A row of bytes, which become floats a window at a time.
void sum_row_of_windows(const GradientPlanes& planes, const Piece* pieces, std::size_t count,
                        const std::int32_t* offsets, const float* gradient_row, const std::uint8_t* input_row,
                        float* window) {
  GradientPlanes part = planes;
  for (std::size_t x = 0; x < planes.width; x += kWindowPixels) {
    part.width = HWY_MIN(kWindowPixels, planes.width - x);
    const auto first = static_cast<Distance>(x);
    widen_window(*planes.window, input_row + first * planes.input_step, part.width, planes.input_step, window);
    sum_row_of_step<float>(part, pieces, count, offsets, gradient_row + first * planes.gradient_step, window);
  }
}

// The sums of all pieces fit the scratch.
template <typename Element>
void sum_pieces(const GradientPlanes& planes, const Piece* pieces, std::size_t count, const std::int32_t* offsets,
                float* gradient, float* bias) {
  HWY_ALIGN float window[sizeof(Element) == 1 ? kWindowFloats : 1];
  for (std::size_t b = 0; b < planes.blocks; ++b) {
    for (std::size_t p = 0; p < count; ++p) {
      for (std::size_t i = 0; i < pieces[p].count * kLanes; ++i) pieces[p].sums[i] = 0;
      for (std::size_t i = 0; pieces[p].bias != nullptr && i < kLanes; ++i) pieces[p].bias[i] = 0;
    }
    for (std::size_t y = 0; y < planes.height; ++y) {
      const Element* input = input_of<Element>(planes) + static_cast<Distance>(b) * planes.input_block_pitch +
                             static_cast<Distance>(y) * planes.input_row_pitch;
      const float* row = planes.output_gradient + static_cast<Distance>(b) * planes.gradient_block_pitch +
                         static_cast<Distance>(y) * planes.gradient_row_pitch;
      if constexpr (sizeof(Element) == 1) {
        if (planes.window != nullptr) {
          sum_row_of_windows(planes, pieces, count, offsets, row, input, window);
          continue;
        }
      }
      sum_row_of_step(planes, pieces, count, offsets, row, input);
    }
    const bool accumulate = planes.accumulate || b > 0;
    for (std::size_t p = 0; p < count; ++p) {
      reduce_scratch<Element>(pieces[p].sums, pieces[p].count, accumulate, gradient + pieces[p].begin);
      if (pieces[p].bias != nullptr) reduce_scratch<float>(pieces[p].bias, 1, accumulate, bias + pieces[p].channel);
    }
  }
}

template <typename Element>
void sparse_weight_gradient_of(const GradientPlanes& planes, std::size_t channels, const std::size_t* starts,
                               const std::int32_t* offsets, float* scratch, float* gradient, float* bias) {
  constexpr std::size_t kPieces = 64;
  const std::size_t sums = (planes.window != nullptr ? kWindowScratch : kSparseScratch) / kLanes;
  HWY_ALIGN float bias_sums[kPieces * kLanes];
  Piece pieces[kPieces];
  std::size_t used = 0;
  std::size_t summed = 0;
  for (std::size_t c = 0; c < channels; ++c) {
    const std::size_t end = starts[c + 1];
    std::size_t begin = starts[c];
    bool wants_bias = bias != nullptr;
    while (begin < end || wants_bias) {
      const std::size_t count = HWY_MIN(end - begin, sums - summed);
      pieces[used] = {c, begin, count, scratch + summed * kLanes, wants_bias ? bias_sums + used * kLanes : nullptr};
      ++used;
      wants_bias = false;
      begin += count;
      summed += count;
      if (used < kPieces && summed < sums) continue;
      sum_pieces<Element>(planes, pieces, used, offsets, gradient, bias);
      used = 0;
      summed = 0;
    }
  }
  sum_pieces<Element>(planes, pieces, used, offsets, gradient, bias);
}

void short_rows(const GradientPlanes& planes, std::size_t channels, const std::size_t* starts,
                const std::int32_t* offsets, float* gradient, float* bias) {
  for (std::size_t c = 0; c < channels; ++c) {
    short_row(planes, c, offsets + starts[c], starts[c + 1] - starts[c], gradient + starts[c]);
  }
  if (bias != nullptr) bias_gradient_target(planes, channels, bias);
}

void sparse_weight_gradient_target(const GradientPlanes& planes, std::size_t channels, const std::size_t* starts,
                                   const std::int32_t* offsets, float* scratch, float* gradient, float* bias) {
  if (planes.bytes != nullptr) {
    sparse_weight_gradient_of<std::uint8_t>(planes, channels, starts, offsets, scratch, gradient, bias);
  } else if (is_short_row(planes)) {
    short_rows(planes, channels, starts, offsets, gradient, bias);
  } else {
    sparse_weight_gradient_of<float>(planes, channels, starts, offsets, scratch, gradient, bias);
  }
}

// Some rows of output pixels of one block, and the input rows they meet.
template <typename Element>
struct PixelRows {
  const float* gradient;  // channel 0
  const Element* input;   // offset 0
  std::size_t rows;
  bool first;  // sums start at zero
};

// kChannels x kWeights dot products at once over some rows: each loaded gradient serves kWeights, each input kChannels.
// The sums come from and go to scratch: weight w of channel c at (c * scratch_pitch + w) * 16.
template <typename Element, std::size_t kChannels, std::size_t kWeights>
HWY_INLINE void dense_block(const GradientPlanes& planes, const PixelRows<Element>& part, const std::int32_t* offsets,
                            float* HWY_RESTRICT scratch, std::size_t scratch_pitch) {
  const Tag d;
  // One vector of the lanes after the other: more channels and weights fit the registers, which saves loads.
  for (std::size_t lane = 0; lane < kLanes; lane += kVectorWidth) {
    Vector sums[kChannels][kWeights];
    EAUDEQN_UNROLL
    for (std::size_t c = 0; c < kChannels; ++c) {
      EAUDEQN_UNROLL
      for (std::size_t w = 0; w < kWeights; ++w) {
        sums[c][w] = part.first ? hn::Zero(d) : hn::Load(d, scratch + (c * scratch_pitch + w) * kLanes + lane);
      }
    }
    for (std::size_t y = 0; y < part.rows; ++y) {
      const Element* sources[kWeights];
      EAUDEQN_UNROLL
      for (std::size_t w = 0; w < kWeights; ++w) {
        sources[w] =
            part.input + static_cast<Distance>(y) * planes.input_row_pitch + offsets[w] * Distance{kLanes} + lane;
      }
      const float* gradients[kChannels];
      EAUDEQN_UNROLL
      for (std::size_t c = 0; c < kChannels; ++c) {
        gradients[c] = part.gradient + static_cast<Distance>(y) * planes.gradient_row_pitch +
                       static_cast<Distance>(c) * planes.gradient_channel_pitch + lane;
      }
      Distance input_at = 0;
      Distance gradient_at = 0;
      for (std::size_t x = 0; x < planes.width; ++x) {
        Vector loaded[kWeights];
        EAUDEQN_UNROLL
        for (std::size_t w = 0; w < kWeights; ++w) loaded[w] = load_input(sources[w] + input_at);
        EAUDEQN_UNROLL
        for (std::size_t c = 0; c < kChannels; ++c) {
          const Vector g = hn::Load(d, gradients[c] + gradient_at);
          EAUDEQN_UNROLL
          for (std::size_t w = 0; w < kWeights; ++w) sums[c][w] = hn::MulAdd(g, loaded[w], sums[c][w]);
        }
        input_at += planes.input_step;
        gradient_at += planes.gradient_step;
      }
    }
    EAUDEQN_UNROLL
    for (std::size_t c = 0; c < kChannels; ++c) {
      EAUDEQN_UNROLL
      for (std::size_t w = 0; w < kWeights; ++w) {
        hn::Store(sums[c][w], d, scratch + (c * scratch_pitch + w) * kLanes + lane);
      }
    }
  }
}

template <typename Element, std::size_t kChannels>
void dense_channels(const GradientPlanes& planes, const PixelRows<Element>& part, const std::int32_t* offsets,
                    std::size_t weights, float* scratch) {
  constexpr std::size_t kWeights = kManyRegisters ? 6 : 3;
  std::size_t i = 0;
  for (; i + kWeights <= weights; i += kWeights) {
    dense_block<Element, kChannels, kWeights>(planes, part, offsets + i, scratch + i * 16, weights);
  }
  for (; i < weights; ++i) dense_block<Element, kChannels, 1>(planes, part, offsets + i, scratch + i * 16, weights);
}

template <typename Element>
void dense_weight_gradient_of(const GradientPlanes& planes, std::size_t channels, const std::int32_t* offsets,
                              std::size_t weights, float* scratch, float* gradient) {
  constexpr std::size_t kChannels = 4;
  // As many rows at a time as leave room in the first-level cache for the inputs beside the gradients of kChannels.
  const std::size_t cached = HWY_MAX(kCachedGradients / (kChannels * planes.width * kLanes), std::size_t{1});
  for (std::size_t b = 0; b < planes.blocks; ++b) {
    for (std::size_t y = 0; y < planes.height; y += cached) {
      const float* gradient_rows = planes.output_gradient +
                                   static_cast<std::ptrdiff_t>(b) * planes.gradient_block_pitch +
                                   static_cast<std::ptrdiff_t>(y) * planes.gradient_row_pitch;
      PixelRows<Element> part{nullptr,
                              input_of<Element>(planes) + static_cast<std::ptrdiff_t>(b) * planes.input_block_pitch +
                                  static_cast<std::ptrdiff_t>(y) * planes.input_row_pitch,
                              HWY_MIN(cached, planes.height - y), y == 0};
      std::size_t c = 0;
      for (; c + kChannels <= channels; c += kChannels) {
        part.gradient = gradient_rows + static_cast<std::ptrdiff_t>(c) * planes.gradient_channel_pitch;
        dense_channels<Element, kChannels>(planes, part, offsets, weights, scratch + c * weights * 16);
      }
      for (; c < channels; ++c) {
        part.gradient = gradient_rows + static_cast<std::ptrdiff_t>(c) * planes.gradient_channel_pitch;
        dense_channels<Element, 1>(planes, part, offsets, weights, scratch + c * weights * 16);
      }
    }
    reduce_scratch<Element>(scratch, channels * weights, planes.accumulate || b > 0, gradient);
  }
}

void dense_weight_gradient_target(const GradientPlanes& planes, std::size_t channels, const std::int32_t* offsets,
                                  std::size_t weights, float* scratch, float* gradient) {
  if (planes.bytes != nullptr) {
    dense_weight_gradient_of<std::uint8_t>(planes, channels, offsets, weights, scratch, gradient);
  } else {
    dense_weight_gradient_of<float>(planes, channels, offsets, weights, scratch, gradient);
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(sparse_weight_gradient_target);
HWY_EXPORT(dense_weight_gradient_target);
HWY_EXPORT(bias_gradient_target);

void sparse_weight_gradient(const GradientPlanes& planes, std::size_t channels, const std::size_t* starts,
                            const std::int32_t* offsets, float* scratch, float* gradient, float* bias) {
  HWY_DYNAMIC_DISPATCH(sparse_weight_gradient_target)
  (planes, channels, starts, offsets, scratch, gradient, bias);
}

void dense_weight_gradient(const GradientPlanes& planes, std::size_t channels, const std::int32_t* offsets,
                           std::size_t weights, float* scratch, float* gradient) {
  HWY_DYNAMIC_DISPATCH(dense_weight_gradient_target)(planes, channels, offsets, weights, scratch, gradient);
}

void bias_gradient(const GradientPlanes& planes, std::size_t channels, float* gradient) {
  HWY_DYNAMIC_DISPATCH(bias_gradient_target)(planes, channels, gradient);
}

}  // namespace eaudeqn
#endif

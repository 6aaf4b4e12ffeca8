// See weight_gradient.h.
#include "engine/kernels/weight_gradient.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/weight_gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Tag>;

constexpr std::size_t kVectorWidth = hn::MaxLanes(Tag());
constexpr std::size_t kCachedInputs = 128;        // x 128 bytes at 32 lanes: half of the usual first-level cache
constexpr std::size_t kCachedGradients = 3072;    // floats: a third of it
constexpr std::size_t kSums = 16 / kVectorWidth;  // vectors that hold the 16 running sums of one weight
template <std::size_t kHalves>
constexpr std::ptrdiff_t kLanes = static_cast<std::ptrdiff_t>(kHalves * 16);  // floats per pixel
constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_TARGET == HWY_NEON;

// 16 -> 1 in the order that weight_gradient.h fixes.
HWY_INLINE float reduce_one(const float* sums16) {
  float s[8];
  for (std::size_t i = 0; i < 8; ++i) s[i] = sums16[i] + sums16[i + 8];
  for (std::size_t i = 0; i < 4; ++i) s[i] = s[i] + s[i + 4];
  return (s[0] + s[2]) + (s[1] + s[3]);
}

// Eight weights at once: sums[w] are the 16 sums of weight w; out[w] its gradient. The same additions as reduce_one.
#if HWY_MAX_BYTES >= 32
using Tag8 = hn::FixedTag<float, 8>;
using Vector8 = hn::Vec<Tag8>;

HWY_INLINE Vector8 fold_to_8(const Vector* sums) {
#if HWY_MAX_BYTES >= 64
  const Tag8 d8;
  return hn::Add(hn::LowerHalf(d8, sums[0]), hn::UpperHalf(d8, sums[0]));
#else
  return hn::Add(sums[0], sums[1]);
#endif
}

HWY_INLINE void reduce_eight(const Vector8* eights, float* HWY_RESTRICT out) {
  const Tag8 d8;
  const hn::Repartition<double, Tag8> d64;
  Vector8 fours[4];  // four sums each of weights (0, 2), (1, 3), (4, 6), (5, 7): the order that ends sorted
  EAUDEQN_UNROLL
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t low = i < 2 ? i : i + 2;
    fours[i] = hn::Add(hn::ConcatLowerLower(d8, eights[low + 2], eights[low]),
                       hn::ConcatUpperUpper(d8, eights[low + 2], eights[low]));
  }
  Vector8 twos[2];  // two sums each of weights 0, 1 | 2, 3 and 4, 5 | 6, 7
  EAUDEQN_UNROLL
  for (std::size_t i = 0; i < 2; ++i) {
    const auto a = hn::BitCast(d64, fours[2 * i]);
    const auto b = hn::BitCast(d64, fours[2 * i + 1]);
    twos[i] = hn::Add(hn::BitCast(d8, hn::InterleaveLower(d64, a, b)), hn::BitCast(d8, hn::InterleaveUpper(d64, a, b)));
  }
  hn::StoreU(hn::Add(hn::ConcatEven(d8, twos[1], twos[0]), hn::ConcatOdd(d8, twos[1], twos[0])), d8, out);
}
#endif

template <std::size_t kHalves>
HWY_INLINE void multiply_into(const Tag d, const float* HWY_RESTRICT input, const Vector* HWY_RESTRICT gradient,
                              Vector* HWY_RESTRICT sums) {
  EAUDEQN_UNROLL
  for (std::size_t h = 0; h < kHalves; ++h) {
    EAUDEQN_UNROLL
    for (std::size_t s = 0; s < kSums; ++s) {
      sums[s] = hn::MulAdd(gradient[h * kSums + s], hn::Load(d, input + h * 16 + s * kVectorWidth), sums[s]);
    }
  }
}

// A tile of kPixels output-gradient pixels in registers meets every weight of one channel.
template <std::size_t kPixels, std::size_t kHalves>
HWY_INLINE void sparse_tile(const float* HWY_RESTRICT gradient, std::ptrdiff_t gradient_step,
                            const float* HWY_RESTRICT input, std::ptrdiff_t input_step,
                            const std::int32_t* HWY_RESTRICT offsets, std::size_t count, float* HWY_RESTRICT scratch) {
  const Tag d;
  Vector tile[kPixels][kHalves * kSums];
  EAUDEQN_UNROLL
  for (std::size_t p = 0; p < kPixels; ++p) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kHalves * kSums; ++v) {
      tile[p][v] = hn::Load(d, gradient + static_cast<std::ptrdiff_t>(p) * gradient_step + v * kVectorWidth);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    const float* HWY_RESTRICT source = input + offsets[i] * kLanes<kHalves>;
    Vector sums[kSums];
    EAUDEQN_UNROLL
    for (std::size_t s = 0; s < kSums; ++s) sums[s] = hn::Load(d, scratch + i * 16 + s * kVectorWidth);
    EAUDEQN_UNROLL
    for (std::size_t p = 0; p < kPixels; ++p) {
      multiply_into<kHalves>(d, source + static_cast<std::ptrdiff_t>(p) * input_step, tile[p], sums);
    }
    EAUDEQN_UNROLL
    for (std::size_t s = 0; s < kSums; ++s) hn::Store(sums[s], d, scratch + i * 16 + s * kVectorWidth);
  }
}

template <std::size_t kHalves>
HWY_INLINE void sparse_pixels(const GradientPlanes& planes, const float* gradient, const float* input,
                              const std::int32_t* offsets, std::size_t count, float* scratch) {
  constexpr std::size_t kPixels =
      (kManyRegisters ? 24 : 12) / (kHalves * kSums) > 0 ? (kManyRegisters ? 24 : 12) / (kHalves * kSums) : 1;
  constexpr std::size_t kFew = kPixels > 4 ? 4 : (kPixels > 2 ? 2 : 1);
  std::size_t x = 0;
  const auto at = [&](std::size_t pixel) { return static_cast<std::ptrdiff_t>(pixel); };
  for (; x + kPixels <= planes.width; x += kPixels) {
    sparse_tile<kPixels, kHalves>(gradient + at(x) * planes.gradient_step, planes.gradient_step,
                                  input + at(x) * planes.input_step, planes.input_step, offsets, count, scratch);
  }
  for (; x + kFew <= planes.width; x += kFew) {
    sparse_tile<kFew, kHalves>(gradient + at(x) * planes.gradient_step, planes.gradient_step,
                               input + at(x) * planes.input_step, planes.input_step, offsets, count, scratch);
  }
  for (; x < planes.width; ++x) {
    sparse_tile<1, kHalves>(gradient + at(x) * planes.gradient_step, planes.gradient_step,
                            input + at(x) * planes.input_step, planes.input_step, offsets, count, scratch);
  }
}

void reduce_scratch(const float* scratch, std::size_t count, float* gradient) {
  std::size_t i = 0;
#if HWY_MAX_BYTES >= 32
  const Tag d;
  for (; i + 8 <= count; i += 8) {
    Vector8 eights[8];
    for (std::size_t w = 0; w < 8; ++w) {
      Vector sums[kSums];
      for (std::size_t s = 0; s < kSums; ++s) sums[s] = hn::Load(d, scratch + (i + w) * 16 + s * kVectorWidth);
      eights[w] = fold_to_8(sums);
    }
    reduce_eight(eights, gradient + i);
  }
#endif
  for (; i < count; ++i) gradient[i] = reduce_one(scratch + i * 16);
}

// Dense layers (one pixel): sums never leave registers.
template <std::size_t kHalves>
void single_pixel(const GradientPlanes& planes, const float* gradient_pixel, const std::int32_t* offsets,
                  std::size_t count, float* HWY_RESTRICT gradient) {
  const Tag d;
  Vector tile[kHalves * kSums];
  EAUDEQN_UNROLL
  for (std::size_t v = 0; v < kHalves * kSums; ++v) tile[v] = hn::Load(d, gradient_pixel + v * kVectorWidth);
  std::size_t i = 0;
#if HWY_MAX_BYTES >= 32
  for (; i + 8 <= count; i += 8) {
    Vector8 eights[8];
    EAUDEQN_UNROLL
    for (std::size_t w = 0; w < 8; ++w) {
      Vector sums[kSums];
      EAUDEQN_UNROLL
      for (std::size_t s = 0; s < kSums; ++s) sums[s] = hn::Zero(d);
      multiply_into<kHalves>(d, planes.input + offsets[i + w] * kLanes<kHalves>, tile, sums);
      eights[w] = fold_to_8(sums);
    }
    reduce_eight(eights, gradient + i);
  }
#endif
  for (; i < count; ++i) {
    HWY_ALIGN float buffer[16];
    Vector sums[kSums];
    for (std::size_t s = 0; s < kSums; ++s) sums[s] = hn::Zero(d);
    multiply_into<kHalves>(d, planes.input + offsets[i] * kLanes<kHalves>, tile, sums);
    for (std::size_t s = 0; s < kSums; ++s) hn::Store(sums[s], d, buffer + s * kVectorWidth);
    gradient[i] = reduce_one(buffer);
  }
}

template <std::size_t kHalves>
void sparse_lanes(const GradientPlanes& planes, std::size_t channels, const std::size_t* begins,
                  const std::size_t* ends, const std::int32_t* offsets, float* scratch, float* gradient) {
  if (planes.height == 1 && planes.width == 1 && planes.blocks == 1) {
    for (std::size_t c = 0; c < channels; ++c) {
      single_pixel<kHalves>(planes,
                            planes.output_gradient + static_cast<std::ptrdiff_t>(c) * planes.gradient_channel_pitch,
                            offsets + begins[c], ends[c] - begins[c], gradient + begins[c]);
    }
    return;
  }
  std::size_t total = 0;
  for (std::size_t c = 0; c < channels; ++c) total += ends[c] - begins[c];
  for (std::size_t i = 0; i < total * 16; ++i) scratch[i] = 0;
  for (std::size_t b = 0; b < planes.blocks; ++b) {
    for (std::size_t y = 0; y < planes.height; ++y) {
      const float* input = planes.input + static_cast<std::ptrdiff_t>(b) * planes.input_block_pitch +
                           static_cast<std::ptrdiff_t>(y) * planes.input_row_pitch;
      const float* row = planes.output_gradient + static_cast<std::ptrdiff_t>(b) * planes.gradient_block_pitch +
                         static_cast<std::ptrdiff_t>(y) * planes.gradient_row_pitch;
      float* sums = scratch;
      for (std::size_t c = 0; c < channels; ++c) {
        const std::size_t count = ends[c] - begins[c];
        sparse_pixels<kHalves>(planes, row + static_cast<std::ptrdiff_t>(c) * planes.gradient_channel_pitch, input,
                               offsets + begins[c], count, sums);
        sums += count * 16;
      }
    }
  }
  const float* sums = scratch;
  for (std::size_t c = 0; c < channels; ++c) {
    const std::size_t count = ends[c] - begins[c];
    reduce_scratch(sums, count, gradient + begins[c]);
    sums += count * 16;
  }
}

void sparse_weight_gradient_target(const GradientPlanes& planes, std::size_t channels, const std::size_t* begins,
                                   const std::size_t* ends, const std::int32_t* offsets, float* scratch,
                                   float* gradient) {
  if (planes.lanes == 32) {
    sparse_lanes<2>(planes, channels, begins, ends, offsets, scratch, gradient);
  } else {
    sparse_lanes<1>(planes, channels, begins, ends, offsets, scratch, gradient);
  }
}

// Some rows of output pixels of one block, and the input rows they meet.
struct PixelRows {
  const float* gradient;  // channel 0
  const float* input;     // offset 0
  std::size_t rows;
  bool first;  // sums start at zero
};

// kChannels x kWeights dot products at once over some rows: each loaded gradient serves kWeights, each input kChannels.
// The sums come from and go to scratch: weight w of channel c at (c * scratch_pitch + w) * 16.
template <std::size_t kHalves, std::size_t kChannels, std::size_t kWeights>
HWY_INLINE void dense_block(const GradientPlanes& planes, const PixelRows& part, const std::int32_t* offsets,
                            float* HWY_RESTRICT scratch, std::size_t scratch_pitch) {
  const Tag d;
  Vector sums[kChannels][kWeights][kSums];
  EAUDEQN_UNROLL
  for (std::size_t c = 0; c < kChannels; ++c) {
    EAUDEQN_UNROLL
    for (std::size_t w = 0; w < kWeights; ++w) {
      EAUDEQN_UNROLL
      for (std::size_t s = 0; s < kSums; ++s) {
        sums[c][w][s] =
            part.first ? hn::Zero(d) : hn::Load(d, scratch + (c * scratch_pitch + w) * 16 + s * kVectorWidth);
      }
    }
  }
  for (std::size_t y = 0; y < part.rows; ++y) {
    const float* sources[kWeights];
    EAUDEQN_UNROLL
    for (std::size_t w = 0; w < kWeights; ++w) {
      sources[w] = part.input + static_cast<std::ptrdiff_t>(y) * planes.input_row_pitch + offsets[w] * kLanes<kHalves>;
    }
    const float* gradients[kChannels];
    EAUDEQN_UNROLL
    for (std::size_t c = 0; c < kChannels; ++c) {
      gradients[c] = part.gradient + static_cast<std::ptrdiff_t>(y) * planes.gradient_row_pitch +
                     static_cast<std::ptrdiff_t>(c) * planes.gradient_channel_pitch;
    }
    std::ptrdiff_t input_at = 0;
    std::ptrdiff_t gradient_at = 0;
    for (std::size_t x = 0; x < planes.width; ++x) {
      EAUDEQN_UNROLL
      for (std::size_t h = 0; h < kHalves; ++h) {
        EAUDEQN_UNROLL
        for (std::size_t s = 0; s < kSums; ++s) {
          const std::size_t lane = h * 16 + s * kVectorWidth;
          Vector loaded[kWeights];
          EAUDEQN_UNROLL
          for (std::size_t w = 0; w < kWeights; ++w) loaded[w] = hn::Load(d, sources[w] + input_at + lane);
          EAUDEQN_UNROLL
          for (std::size_t c = 0; c < kChannels; ++c) {
            const Vector g = hn::Load(d, gradients[c] + gradient_at + lane);
            EAUDEQN_UNROLL
            for (std::size_t w = 0; w < kWeights; ++w) sums[c][w][s] = hn::MulAdd(g, loaded[w], sums[c][w][s]);
          }
        }
      }
      input_at += planes.input_step;
      gradient_at += planes.gradient_step;
    }
  }
  EAUDEQN_UNROLL
  for (std::size_t c = 0; c < kChannels; ++c) {
    EAUDEQN_UNROLL
    for (std::size_t w = 0; w < kWeights; ++w) {
      EAUDEQN_UNROLL
      for (std::size_t s = 0; s < kSums; ++s) {
        hn::Store(sums[c][w][s], d, scratch + (c * scratch_pitch + w) * 16 + s * kVectorWidth);
      }
    }
  }
}

template <std::size_t kHalves, std::size_t kChannels>
void dense_channels(const GradientPlanes& planes, const PixelRows& part, const std::int32_t* offsets,
                    std::size_t weights, float* scratch) {
  constexpr std::size_t kWeights = kManyRegisters ? 4 : 3;
  std::size_t i = 0;
  for (; i + kWeights <= weights; i += kWeights) {
    dense_block<kHalves, kChannels, kWeights>(planes, part, offsets + i, scratch + i * 16, weights);
  }
  for (; i < weights; ++i) dense_block<kHalves, kChannels, 1>(planes, part, offsets + i, scratch + i * 16, weights);
}

// Dense layers of one block (one pixel): sums never leave registers.
template <std::size_t kHalves>
void dense_single_pixel(const GradientPlanes& planes, std::size_t channels, const std::int32_t* offsets,
                        std::size_t first, std::size_t last, float* gradient, std::ptrdiff_t gradient_pitch) {
  for (std::size_t begin = first; begin < last; begin += kCachedInputs) {
    const std::size_t end = HWY_MIN(begin + kCachedInputs, last);
    for (std::size_t c = 0; c < channels; ++c) {
      const auto channel = static_cast<std::ptrdiff_t>(c);
      single_pixel<kHalves>(planes, planes.output_gradient + channel * planes.gradient_channel_pitch, offsets + begin,
                            end - begin, gradient + channel * gradient_pitch + begin);
    }
  }
}

template <std::size_t kHalves>
void dense_lanes(const GradientPlanes& planes, std::size_t channels, const std::int32_t* offsets, std::size_t first,
                 std::size_t last, float* scratch, float* gradient, std::ptrdiff_t gradient_pitch) {
  if (planes.height == 1 && planes.width == 1 && planes.blocks == 1) {
    dense_single_pixel<kHalves>(planes, channels, offsets, first, last, gradient, gradient_pitch);
    return;
  }
  constexpr std::size_t kChannels = kManyRegisters ? 4 : (kSums > 2 ? 1 : 2);
  const std::size_t weights = last - first;
  // As many rows at a time as leave room in the first-level cache for the inputs beside the gradients of kChannels.
  const std::size_t cached = HWY_MAX(kCachedGradients / (kChannels * planes.width * planes.lanes), std::size_t{1});
  for (std::size_t b = 0; b < planes.blocks; ++b) {
    for (std::size_t y = 0; y < planes.height; y += cached) {
      const float* gradient_rows = planes.output_gradient +
                                   static_cast<std::ptrdiff_t>(b) * planes.gradient_block_pitch +
                                   static_cast<std::ptrdiff_t>(y) * planes.gradient_row_pitch;
      PixelRows part{nullptr,
                     planes.input + static_cast<std::ptrdiff_t>(b) * planes.input_block_pitch +
                         static_cast<std::ptrdiff_t>(y) * planes.input_row_pitch,
                     HWY_MIN(cached, planes.height - y), b == 0 && y == 0};
      std::size_t c = 0;
      for (; c + kChannels <= channels; c += kChannels) {
        part.gradient = gradient_rows + static_cast<std::ptrdiff_t>(c) * planes.gradient_channel_pitch;
        dense_channels<kHalves, kChannels>(planes, part, offsets + first, weights, scratch + c * weights * 16);
      }
      for (; c < channels; ++c) {
        part.gradient = gradient_rows + static_cast<std::ptrdiff_t>(c) * planes.gradient_channel_pitch;
        dense_channels<kHalves, 1>(planes, part, offsets + first, weights, scratch + c * weights * 16);
      }
    }
  }
  for (std::size_t c = 0; c < channels; ++c) {
    reduce_scratch(scratch + c * weights * 16, weights,
                   gradient + static_cast<std::ptrdiff_t>(c) * gradient_pitch + first);
  }
}

void dense_weight_gradient_target(const GradientPlanes& planes, std::size_t channels, const std::int32_t* offsets,
                                  std::size_t first, std::size_t last, float* scratch, float* gradient,
                                  std::ptrdiff_t gradient_pitch) {
  if (planes.lanes == 32) {
    dense_lanes<2>(planes, channels, offsets, first, last, scratch, gradient, gradient_pitch);
  } else {
    dense_lanes<1>(planes, channels, offsets, first, last, scratch, gradient, gradient_pitch);
  }
}

void bias_gradient_target(const GradientPlanes& planes, std::size_t channels, float* gradient) {
  const Tag d;
  for (std::size_t c = 0; c < channels; ++c) {
    Vector sums[kSums];
    for (std::size_t s = 0; s < kSums; ++s) sums[s] = hn::Zero(d);
    for (std::size_t b = 0; b < planes.blocks; ++b) {
      for (std::size_t y = 0; y < planes.height; ++y) {
        const float* pixel = planes.output_gradient + static_cast<std::ptrdiff_t>(c) * planes.gradient_channel_pitch +
                             static_cast<std::ptrdiff_t>(b) * planes.gradient_block_pitch +
                             static_cast<std::ptrdiff_t>(y) * planes.gradient_row_pitch;
        for (std::size_t x = 0; x < planes.width; ++x, pixel += planes.gradient_step) {
          for (std::size_t h = 0; h < planes.lanes / 16; ++h) {
            for (std::size_t s = 0; s < kSums; ++s) {
              sums[s] = hn::Add(sums[s], hn::Load(d, pixel + h * 16 + s * kVectorWidth));
            }
          }
        }
      }
    }
    HWY_ALIGN float buffer[16];
    for (std::size_t s = 0; s < kSums; ++s) hn::Store(sums[s], d, buffer + s * kVectorWidth);
    gradient[c] = reduce_one(buffer);
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(sparse_weight_gradient_target);
HWY_EXPORT(dense_weight_gradient_target);
HWY_EXPORT(bias_gradient_target);

void sparse_weight_gradient(const GradientPlanes& planes, std::size_t channels, const std::size_t* begins,
                            const std::size_t* ends, const std::int32_t* offsets, float* scratch, float* gradient) {
  HWY_DYNAMIC_DISPATCH(sparse_weight_gradient_target)(planes, channels, begins, ends, offsets, scratch, gradient);
}

void dense_weight_gradient(const GradientPlanes& planes, std::size_t channels, const std::int32_t* offsets,
                           std::size_t first, std::size_t last, float* scratch, float* gradient,
                           std::ptrdiff_t gradient_pitch) {
  HWY_DYNAMIC_DISPATCH(dense_weight_gradient_target)
  (planes, channels, offsets, first, last, scratch, gradient, gradient_pitch);
}

void bias_gradient(const GradientPlanes& planes, std::size_t channels, float* gradient) {
  HWY_DYNAMIC_DISPATCH(bias_gradient_target)(planes, channels, gradient);
}

}  // namespace eaudeqn
#endif

// See elementwise.h.
#include "engine/kernels/elementwise.h"

#include <cmath>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/elementwise.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Tag>;
constexpr std::size_t kVectorWidth = hn::MaxLanes(Tag());

// Plain multiplies and adds, no fusing: the same bits on every instruction set and for every split of the arrays.
template <class D>
HWY_INLINE void adam_vector(D d, const AdamStep& step, const float* HWY_RESTRICT gradient, float* HWY_RESTRICT weights,
                            float* HWY_RESTRICT first_moment, float* HWY_RESTRICT second_moment) {
  const auto b1 = hn::Set(d, 0.9F);
  const auto b2 = hn::Set(d, 0.999F);
  const auto rest1 = hn::Set(d, static_cast<float>(1.0 - 0.9));
  const auto rest2 = hn::Set(d, static_cast<float>(1.0 - 0.999));
  const auto g = hn::LoadU(d, gradient);
  auto m = hn::Add(hn::Mul(b1, hn::LoadU(d, first_moment)), hn::Mul(rest1, g));
  auto v = hn::Add(hn::Mul(b2, hn::LoadU(d, second_moment)), hn::Mul(rest2, hn::Mul(g, g)));
  // Comparisons that are false for NaN, which stays.
  const auto smallest = hn::Set(d, std::numeric_limits<float>::min());
  m = hn::IfThenZeroElse(hn::Lt(hn::Abs(m), smallest), m);
  v = hn::IfThenZeroElse(hn::Lt(v, smallest), v);
  const auto direction = hn::Div(hn::Mul(hn::Set(d, step.rate), m), hn::Add(hn::Sqrt(v), hn::Set(d, step.epsilon)));
  hn::StoreU(m, d, first_moment);
  hn::StoreU(v, d, second_moment);
  hn::StoreU(hn::Sub(hn::LoadU(d, weights), direction), d, weights);
}

void adam_update_target(const AdamStep& step, std::size_t count, const float* gradient, float* weights,
                        float* first_moment, float* second_moment) {
  std::size_t i = 0;
  for (; i + kVectorWidth <= count; i += kVectorWidth) {
    adam_vector(Tag(), step, gradient + i, weights + i, first_moment + i, second_moment + i);
  }
  const hn::CappedTag<float, 1> one;
  for (; i < count; ++i) adam_vector(one, step, gradient + i, weights + i, first_moment + i, second_moment + i);
}

void keep_masked_target(const std::uint8_t* HWY_RESTRICT mask, std::size_t count, float* HWY_RESTRICT values) {
  const Tag d;
  const hn::Rebind<std::int32_t, Tag> words;
  const hn::Rebind<std::uint8_t, Tag> bytes;
  std::size_t i = 0;
  for (; i + kVectorWidth <= count; i += kVectorWidth) {
    const auto word = hn::PromoteTo(words, hn::LoadU(bytes, mask + i));
    const auto keep = hn::RebindMask(d, hn::Ne(word, hn::Zero(words)));
    hn::StoreU(hn::IfThenElseZero(keep, hn::LoadU(d, values + i)), d, values + i);
  }
  for (; i < count; ++i) values[i] = mask[i] != 0 ? values[i] : 0.0F;
}

void relu_row_target(const TensorLayout& in, const float* input, const TensorLayout& out, float* output,
                     std::size_t row) {
  const Tag d;
  for (std::size_t c = 0; c < in.channels; ++c) {
    const float* HWY_RESTRICT from = input + in.offset(c, row, 0);
    float* HWY_RESTRICT to = output + out.offset(c, row, 0);
    for (std::size_t i = 0; i < in.width * in.lanes; i += kVectorWidth) {
      hn::Store(hn::Max(hn::Zero(d), hn::Load(d, from + i)), d, to + i);  // this order keeps NaN
    }
  }
}

void relu_backward_target(const TensorLayout& in, const float* input, const TensorLayout& out_gradient,
                          const float* output_gradient, const TensorLayout& in_gradient, float* input_gradient,
                          bool accumulate) {
  const Tag d;
  for (std::size_t c = 0; c < in.channels; ++c) {
    for (std::size_t y = 0; y < in.height; ++y) {
      const float* HWY_RESTRICT source = input + in.offset(c, y, 0);
      const float* HWY_RESTRICT from = output_gradient + out_gradient.offset(c, y, 0);
      float* HWY_RESTRICT to = input_gradient + in_gradient.offset(c, y, 0);
      for (std::size_t i = 0; i < in.width * in.lanes; i += kVectorWidth) {
        Vector g = hn::IfThenElseZero(hn::Gt(hn::Load(d, source + i), hn::Zero(d)), hn::Load(d, from + i));
        if (accumulate) g = hn::Add(g, hn::Load(d, to + i));
        hn::Store(g, d, to + i);
      }
    }
  }
}

void copy_or_add_target(const TensorLayout& from_layout, const float* source, const TensorLayout& to_layout,
                        float* target, bool accumulate) {
  const Tag d;
  for (std::size_t c = 0; c < from_layout.channels; ++c) {
    for (std::size_t y = 0; y < from_layout.height; ++y) {
      const float* HWY_RESTRICT from = source + from_layout.offset(c, y, 0);
      float* HWY_RESTRICT to = target + to_layout.offset(c, y, 0);
      for (std::size_t i = 0; i < from_layout.width * from_layout.lanes; i += kVectorWidth) {
        Vector value = hn::Load(d, from + i);
        if (accumulate) value = hn::Add(value, hn::Load(d, to + i));
        hn::Store(value, d, to + i);
      }
    }
  }
}

// Sixteen rows of sixteen bytes become sixteen columns: four perfect shuffles of the rows.
HWY_INLINE void transpose_16x16(const std::uint8_t* const (&rows)[16], std::uint8_t* columns) {
#if HWY_TARGET == HWY_SCALAR
  for (std::size_t i = 0; i < 256; ++i) columns[i] = rows[i % 16][i / 16];
#else
  const hn::FixedTag<std::uint8_t, 16> d8;
  using Bytes = hn::Vec<decltype(d8)>;
  Bytes bytes[16];
  Bytes shuffled[16];
  for (std::size_t i = 0; i < 16; ++i) bytes[i] = hn::LoadU(d8, rows[i]);
  for (int round = 0; round < 4; ++round) {
    for (std::size_t i = 0; i < 8; ++i) {
      shuffled[2 * i] = hn::InterleaveLower(d8, bytes[i], bytes[i + 8]);
      shuffled[2 * i + 1] = hn::InterleaveUpper(d8, bytes[i], bytes[i + 8]);
    }
    for (std::size_t i = 0; i < 16; ++i) bytes[i] = shuffled[i];
  }
  for (std::size_t i = 0; i < 16; ++i) hn::StoreU(bytes[i], d8, columns + i * 16);
#endif
}

void arrange_byte_row_target(const TensorLayout& layout, const std::byte* observations, std::size_t batch,
                             std::size_t channel, std::size_t row, std::uint8_t* tensor) {
  static constexpr std::uint8_t kZeros[16] = {};
  const std::size_t plane = layout.height * layout.width;
  for (std::size_t b = 0; b < layout.blocks; ++b) {
    const std::uint8_t* rows[kLanes];
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::size_t sample = b * kLanes + lane;
      rows[lane] = sample >= batch ? nullptr
                                   : reinterpret_cast<const std::uint8_t*>(observations) +
                                         (sample * layout.channels + channel) * plane + row * layout.width;
    }
    std::uint8_t* to = tensor + b * layout.block_pitch() + layout.offset(channel, row, 0);
    std::size_t x = 0;
    while (x + 16 <= layout.width) {
      const std::uint8_t* parts[16];
      for (std::size_t lane = 0; lane < kLanes; ++lane) parts[lane] = rows[lane] != nullptr ? rows[lane] + x : kZeros;
      transpose_16x16(parts, to + x * kLanes);
      if (x + 16 == layout.width) break;
      x = HWY_MIN(x + 16, layout.width - 16);  // the last step overlaps the one before
    }
    if (layout.width >= 16) continue;
    for (; x < layout.width; ++x) {
      for (std::size_t lane = 0; lane < kLanes; ++lane)
        to[x * kLanes + lane] = rows[lane] != nullptr ? rows[lane][x] : 0;
    }
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(adam_update_target);
HWY_EXPORT(keep_masked_target);
HWY_EXPORT(relu_row_target);
HWY_EXPORT(relu_backward_target);
HWY_EXPORT(copy_or_add_target);
HWY_EXPORT(arrange_byte_row_target);

AdamStep::AdamStep(double learning_rate, double epsilon_, std::int64_t step) {
  const double correction1 = 1.0 - std::pow(0.9, static_cast<double>(step));
  const double root = std::sqrt(1.0 - std::pow(0.999, static_cast<double>(step)));
  rate = static_cast<float>(learning_rate * root / correction1);
  epsilon = static_cast<float>(epsilon_ * root);
}

void adam_update(const AdamStep& step, std::size_t count, const float* gradient, float* weights, float* first_moment,
                 float* second_moment) {
  HWY_DYNAMIC_DISPATCH(adam_update_target)(step, count, gradient, weights, first_moment, second_moment);
}

void keep_masked(const std::uint8_t* mask, std::size_t count, float* values) {
  HWY_DYNAMIC_DISPATCH(keep_masked_target)(mask, count, values);
}

void relu_row(const TensorLayout& input_layout, const float* input, const TensorLayout& output_layout, float* output,
              std::size_t row) {
  HWY_DYNAMIC_DISPATCH(relu_row_target)(input_layout, input, output_layout, output, row);
}

void relu_backward(const TensorLayout& input_layout, const float* input, const TensorLayout& output_gradient_layout,
                   const float* output_gradient, const TensorLayout& input_gradient_layout, float* input_gradient,
                   bool accumulate) {
  HWY_DYNAMIC_DISPATCH(relu_backward_target)
  (input_layout, input, output_gradient_layout, output_gradient, input_gradient_layout, input_gradient, accumulate);
}

void copy_or_add(const TensorLayout& source_layout, const float* source, const TensorLayout& target_layout,
                 float* target, bool accumulate) {
  HWY_DYNAMIC_DISPATCH(copy_or_add_target)(source_layout, source, target_layout, target, accumulate);
}

void arrange_byte_row(const TensorLayout& layout, std::span<const std::byte> observations, std::size_t batch,
                      std::size_t channel, std::size_t row, std::uint8_t* tensor) {
  HWY_DYNAMIC_DISPATCH(arrange_byte_row_target)(layout, observations.data(), batch, channel, row, tensor);
}

namespace {

// value_at(i): element i of the observations.
template <typename ValueAt>
void load_row(const TensorLayout& layout, std::size_t batch, std::size_t channel, std::size_t row, float* tensor,
              const ValueAt& value_at) {
  const std::size_t plane = layout.height * layout.width;
  for (std::size_t b = 0; b < layout.blocks; ++b) {
    float* to = tensor + b * layout.block_pitch() + layout.offset(channel, row, 0);
    for (std::size_t lane = 0; lane < layout.lanes; ++lane) {
      const std::size_t sample = b * layout.lanes + lane;
      const std::size_t at = (sample * layout.channels + channel) * plane + row * layout.width;
      for (std::size_t x = 0; x < layout.width; ++x) {
        to[x * layout.lanes + lane] = sample < batch ? value_at(at + x) : 0.0F;
      }
    }
  }
}

}  // namespace

void load_byte_row(const TensorLayout& layout, std::span<const std::byte> observations, std::size_t batch,
                   std::size_t channel, std::size_t row, float* tensor) {
  load_row(layout, batch, channel, row, tensor,
           [&](std::size_t i) { return static_cast<float>(std::to_integer<int>(observations[i])) / 255.0F; });
}

void load_float_row(const TensorLayout& layout, std::span<const std::byte> observations, std::size_t batch,
                    std::size_t channel, std::size_t row, float* tensor) {
  load_row(layout, batch, channel, row, tensor, [&](std::size_t i) {
    float value = 0;
    std::memcpy(&value, observations.data() + i * sizeof(float), sizeof(float));
    return value;
  });
}

void load_float_vectors(const TensorLayout& layout, std::span<const std::byte> observations, std::size_t batch,
                        std::size_t block, float* tensor) {
  float* to = tensor + block * layout.block_pitch() + layout.offset(0, 0, 0);
  for (std::size_t lane = 0; lane < layout.lanes; ++lane) {
    const std::size_t sample = block * layout.lanes + lane;
    const std::byte* from = observations.data() + sample * layout.channels * sizeof(float);
    for (std::size_t c = 0; c < layout.channels; ++c) {
      float value = 0;
      if (sample < batch) std::memcpy(&value, from + c * sizeof(float), sizeof(float));
      to[c * layout.channel_pitch() + lane] = value;
    }
  }
}

}  // namespace eaudeqn
#endif

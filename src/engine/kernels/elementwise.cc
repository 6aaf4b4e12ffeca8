// See elementwise.h.
#include "engine/kernels/elementwise.h"

#include <cstring>

#include "engine/kernels/pool_window.h"

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

void relu_forward_target(const TensorLayout& in, const float* input, const TensorLayout& out, float* output) {
  const Tag d;
  for (std::size_t c = 0; c < in.channels; ++c) {
    for (std::size_t y = 0; y < in.height; ++y) {
      const float* HWY_RESTRICT from = input + in.offset(c, y, 0);
      float* HWY_RESTRICT to = output + out.offset(c, y, 0);
      for (std::size_t i = 0; i < in.width * in.lanes; i += kVectorWidth) {
        hn::Store(hn::Max(hn::Zero(d), hn::Load(d, from + i)), d, to + i);  // this order keeps NaN
      }
    }
  }
}

void max_pool_forward_target(const TensorLayout& in, const float* input, const TensorLayout& out, float* output) {
  const Tag d;
  for (std::size_t c = 0; c < out.channels; ++c) {
    for (std::size_t y = 0; y < out.height; ++y) {
      const PoolWindow rows = pool_window(y, in.height, out.height);
      for (std::size_t x = 0; x < out.width; ++x) {
        const PoolWindow columns = pool_window(x, in.width, out.width);
        for (std::size_t lane = 0; lane < in.lanes; lane += kVectorWidth) {
          Vector largest = hn::Load(d, input + in.offset(c, rows.first, columns.first) + lane);
          for (std::size_t r = rows.first; r < rows.last; ++r) {
            for (std::size_t q = columns.first; q < columns.last; ++q) {
              largest = hn::Max(largest, hn::Load(d, input + in.offset(c, r, q) + lane));
            }
          }
          hn::Store(largest, d, output + out.offset(c, y, x) + lane);
        }
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

HWY_EXPORT(relu_forward_target);
HWY_EXPORT(max_pool_forward_target);
HWY_EXPORT(arrange_byte_row_target);

void relu_forward(const TensorLayout& input_layout, const float* input, const TensorLayout& output_layout,
                  float* output) {
  HWY_DYNAMIC_DISPATCH(relu_forward_target)(input_layout, input, output_layout, output);
}

void max_pool_forward(const TensorLayout& input_layout, const float* input, const TensorLayout& output_layout,
                      float* output) {
  HWY_DYNAMIC_DISPATCH(max_pool_forward_target)(input_layout, input, output_layout, output);
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

}  // namespace eaudeqn
#endif

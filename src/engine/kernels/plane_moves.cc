// See plane_moves.h.
#include "engine/kernels/plane_moves.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/plane_moves.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 8>;
using Vector = hn::Vec<Tag>;
using IntegerTag = hn::RebindToSigned<Tag>;
constexpr std::size_t kWidth = hn::MaxLanes(Tag());

// One row of one channel on its way into the phases: column stride * i + j goes to first[columns[j] + i]. Local copies
// all along: what the stores may not change stays in registers.
struct SplitRow {
  float* first;
  const std::size_t* columns;
};

#if HWY_TARGET != HWY_SCALAR  // the baseline has no vectors

// Whole vectors of a row; the last one overlaps the one before. They return how many columns they held.

// Bytes four apart are words with all but one byte cleared.
HWY_INLINE std::size_t split_by_four(const std::uint8_t* HWY_RESTRICT input, std::size_t width, SplitRow to) {
  const std::size_t words = width / 4;
  if (words < kWidth) return 0;
  const IntegerTag di;
  const hn::RebindToUnsigned<IntegerTag> du;
  const Tag d;
  const auto low = hn::Set(du, 0xFF);
  float* HWY_RESTRICT to0 = to.first + to.columns[0];
  float* HWY_RESTRICT to1 = to.first + to.columns[1];
  float* HWY_RESTRICT to2 = to.first + to.columns[2];
  float* HWY_RESTRICT to3 = to.first + to.columns[3];
  for (std::size_t i = 0; i < words; i += kWidth) {
    const std::size_t at = std::min(i, words - kWidth);
    const auto word = hn::BitCast(du, hn::LoadU(hn::Repartition<std::uint8_t, IntegerTag>(), input + 4 * at));
    const auto scale = [&](auto bytes) HWY_ATTR { return hn::ConvertTo(d, hn::BitCast(di, bytes)); };
    hn::StoreU(scale(hn::And(word, low)), d, to0 + at);
    hn::StoreU(scale(hn::And(hn::ShiftRight<8>(word), low)), d, to1 + at);
    hn::StoreU(scale(hn::And(hn::ShiftRight<16>(word), low)), d, to2 + at);
    hn::StoreU(scale(hn::ShiftRight<24>(word)), d, to3 + at);
  }
  return words * 4;
}

HWY_INLINE std::size_t split_by_one(const std::uint8_t* HWY_RESTRICT input, std::size_t width, SplitRow to) {
  if (width < kWidth) return 0;
  const IntegerTag di;
  const Tag d;
  float* HWY_RESTRICT to0 = to.first + to.columns[0];
  for (std::size_t i = 0; i < width; i += kWidth) {
    const std::size_t at = std::min(i, width - kWidth);
    const auto bytes = hn::LoadU(hn::Rebind<std::uint8_t, IntegerTag>(), input + at);
    hn::StoreU(hn::ConvertTo(d, hn::PromoteTo(di, bytes)), d, to0 + at);
  }
  return width;
}

HWY_INLINE std::size_t split_by_two(const float* HWY_RESTRICT input, std::size_t width, SplitRow to) {
  const std::size_t pairs = width / 2;
  if (pairs < kWidth) return 0;
  const Tag d;
  float* HWY_RESTRICT to0 = to.first + to.columns[0];
  float* HWY_RESTRICT to1 = to.first + to.columns[1];
  for (std::size_t i = 0; i < pairs; i += kWidth) {
    const std::size_t at = std::min(i, pairs - kWidth);
    const Vector a = hn::LoadU(d, input + 2 * at);
    const Vector b = hn::LoadU(d, input + 2 * at + kWidth);
    hn::StoreU(hn::ConcatEven(d, b, a), d, to0 + at);
    hn::StoreU(hn::ConcatOdd(d, b, a), d, to1 + at);
  }
  return pairs * 2;
}

template <std::size_t kStride>
HWY_INLINE std::size_t split_vectors(const std::uint8_t* input, std::size_t width, SplitRow to) {
  if constexpr (kStride == 4) return split_by_four(input, width, to);
  if constexpr (kStride == 1) return split_by_one(input, width, to);
  return 0;
}

template <std::size_t kStride>
HWY_INLINE std::size_t split_vectors(const float* input, std::size_t width, SplitRow to) {
  if constexpr (kStride == 2) return split_by_two(input, width, to);
  if constexpr (kStride != 1) return 0;
  std::copy_n(input, width, to.first + to.columns[0]);
  return width;
}

#else

template <std::size_t kStride, typename T>
std::size_t split_vectors(const T*, std::size_t, SplitRow) {
  return 0;
}

#endif

HWY_INLINE float as_float(float value) { return value; }
HWY_INLINE float as_float(std::uint8_t byte) { return static_cast<float>(byte); }

// All rows of all channels; the pitches of `input` are in elements. kStride 0: any other.
template <std::size_t kStride, typename T>
void split_rows(const T* input, std::size_t pitch, std::size_t plane, std::size_t channels, std::size_t height,
                std::size_t width, const SplitLayout layout, float* output) {
  const std::size_t s = kStride != 0 ? kStride : layout.stride;
  std::size_t columns[kMaxStride];  // of each row: where column j goes
  for (std::size_t j = 0; j < s; ++j) {
    const std::size_t padded = j + layout.before_columns;
    columns[j] = padded % s * layout.plane + padded / s;
  }
  for (std::size_t c = 0; c < channels; ++c) {
    std::size_t phase = layout.before_rows % s;
    std::size_t row = layout.before_rows / s;
    for (std::size_t y = 0; y < height; ++y) {
      const T* from = input + c * plane + y * pitch;
      const SplitRow to{output + (c * s + phase) * s * layout.plane + row * layout.pitch, columns};
      std::size_t x = split_vectors<kStride>(from, width, to);  // a multiple of s
      for (std::size_t i = x / s; x < width; ++i) {
        for (std::size_t j = 0; j < s && x < width; ++j, ++x) to.first[columns[j] + i] = as_float(from[x]);
      }
      if (++phase == s) {
        phase = 0;
        ++row;
      }
    }
  }
}

template <typename T>
void split(const T* input, std::size_t pitch, std::size_t plane, std::size_t channels, std::size_t height,
           std::size_t width, const SplitLayout& layout, float* output) {
  const auto rows = layout.stride == 1   ? split_rows<1, T>
                    : layout.stride == 2 ? split_rows<2, T>
                    : layout.stride == 4 ? split_rows<4, T>
                                         : split_rows<0, T>;
  rows(input, pitch, plane, channels, height, width, layout, output);
}

void split_bytes_target(const std::uint8_t* input, std::size_t channels, std::size_t height, std::size_t width,
                        const SplitLayout& layout, float* output) {
  split(input, width, height * width, channels, height, width, layout, output);
}

void split_floats_target(const float* input, std::size_t pitch, std::size_t plane, std::size_t channels,
                         std::size_t height, std::size_t width, const SplitLayout& layout, float* output) {
  split(input, pitch, plane, channels, height, width, layout, output);
}

void relu_planes_target(const PlaneLayout& in, const float* input, const PlaneLayout& out, float* output) {
  const Tag d;
  for (std::size_t c = 0; c < in.channels; ++c) {
    const float* from = input + in.offset(c, 0, 0);
    float* to = output + out.offset(c, 0, 0);
    for (std::size_t i = 0; i < in.run(); i += kWidth) {                    // gaps hold zeros
      hn::StoreU(hn::Max(hn::Zero(d), hn::LoadU(d, from + i)), d, to + i);  // this order keeps NaN
    }
  }
}

void flatten_planes_target(const PlaneLayout& in, const float* input, float* output) {
  const Tag d;
  for (std::size_t c = 0; c < in.channels; ++c) {
    for (std::size_t y = 0; y < in.height; ++y, output += in.width) {  // a row runs over into the next, written later
      const float* from = input + in.offset(c, y, 0);
      for (std::size_t x = 0; x < in.width; x += kWidth) hn::StoreU(hn::LoadU(d, from + x), d, output + x);
    }
  }
}

// The largest of up to three rows, column by column.
HWY_INLINE void largest_of_rows(const float* const* rows, std::size_t count, std::size_t width, float* output) {
  const Tag d;
  for (std::size_t x = 0; x < width; x += kWidth) {
    Vector largest = hn::LoadU(d, rows[0] + x);
    for (std::size_t r = 1; r < count; ++r) largest = hn::Max(largest, hn::LoadU(d, rows[r] + x));
    hn::StoreU(largest, d, output + x);
  }
}

// output[x] = the largest of input[2x .. 2x + 2].
HWY_INLINE void largest_of_columns(const float* input, std::size_t width, float* output) {
  if (width < kWidth || HWY_TARGET == HWY_SCALAR) {
    for (std::size_t x = 0; x < width; ++x) {
      output[x] = std::max(std::max(input[2 * x], input[2 * x + 1]), input[2 * x + 2]);
    }
    return;
  }
#if HWY_TARGET != HWY_SCALAR
  const Tag d;
  for (std::size_t x = 0; x < width; x += kWidth) {
    const std::size_t first = std::min(x, width - kWidth);
    const float* from = input + 2 * first;
    const Vector a = hn::LoadU(d, from);
    const Vector b = hn::LoadU(d, from + kWidth);
    const Vector third = hn::ConcatEven(d, hn::LoadU(d, from + 2 + kWidth), hn::LoadU(d, from + 2));
    hn::StoreU(hn::Max(hn::Max(hn::ConcatEven(d, b, a), hn::ConcatOdd(d, b, a)), third), d, output + first);
  }
#endif
}

void max_pool_planes_target(const PlaneLayout& in, const float* input, const PlaneLayout& out, float* output,
                            float* scratch) {
  const auto before = [](std::size_t inputs, std::size_t outputs) {
    const std::size_t covered = (outputs - 1) * 2 + 3;
    return covered > inputs ? (covered - inputs) / 2 : 0;
  };
  const std::size_t above = before(in.height, out.height);
  const std::size_t left = before(in.width, out.width);
  const float nothing = -std::numeric_limits<float>::infinity();
  for (std::size_t c = 0; c < out.channels; ++c) {
    for (std::size_t y = 0; y < out.height; ++y) {
      const float* rows[3];
      std::size_t count = 0;
      for (std::size_t r = 0; r < 3; ++r) {
        const std::size_t row = 2 * y + r;  // counted from the border
        if (row >= above && row - above < in.height) rows[count++] = input + in.offset(c, row - above, 0);
      }
      largest_of_rows(rows, count, in.width, scratch + left);
      if (left > 0) scratch[0] = nothing;
      for (std::size_t x = left + in.width; x < 2 * out.width + 1; ++x) scratch[x] = nothing;
      largest_of_columns(scratch, out.width, output + out.offset(c, y, 0));
    }
  }
}

std::size_t find_nonzero_target(const float* values, std::size_t count, std::uint32_t* indices) {
  std::size_t found = 0;
  std::size_t whole = 0;
#if HWY_TARGET != HWY_SCALAR
  const Tag d;
  const hn::RebindToUnsigned<Tag> du;
  auto index = hn::Iota(du, 0);
  const auto step = hn::Set(du, kWidth);
  whole = count / kWidth * kWidth;
  for (std::size_t i = 0; i < whole; i += kWidth, index = hn::Add(index, step)) {
    const auto nonzero = hn::Not(hn::Eq(hn::LoadU(d, values + i), hn::Zero(d)));
    found += hn::CompressStore(index, hn::RebindMask(du, nonzero), du, indices + found);
  }
#endif
  for (std::size_t i = whole; i < count; ++i) {
    indices[found] = static_cast<std::uint32_t>(i);
    found += values[i] != 0.0F ? 1 : 0;
  }
  return found;
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(split_bytes_target);
HWY_EXPORT(split_floats_target);
HWY_EXPORT(relu_planes_target);
HWY_EXPORT(flatten_planes_target);
HWY_EXPORT(max_pool_planes_target);
HWY_EXPORT(find_nonzero_target);

void split_bytes(const std::uint8_t* input, std::size_t channels, std::size_t height, std::size_t width,
                 const SplitLayout& layout, float* output) {
  HWY_DYNAMIC_DISPATCH(split_bytes_target)(input, channels, height, width, layout, output);
}

void split_floats(const float* input, std::size_t pitch, std::size_t plane, std::size_t channels, std::size_t height,
                  std::size_t width, const SplitLayout& layout, float* output) {
  HWY_DYNAMIC_DISPATCH(split_floats_target)(input, pitch, plane, channels, height, width, layout, output);
}

void relu_planes(const PlaneLayout& input_layout, const float* input, const PlaneLayout& output_layout, float* output) {
  HWY_DYNAMIC_DISPATCH(relu_planes_target)(input_layout, input, output_layout, output);
}

void flatten_planes(const PlaneLayout& layout, const float* input, float* output) {
  HWY_DYNAMIC_DISPATCH(flatten_planes_target)(layout, input, output);
}

void max_pool_planes(const PlaneLayout& input_layout, const float* input, const PlaneLayout& output_layout,
                     float* output, float* scratch) {
  HWY_DYNAMIC_DISPATCH(max_pool_planes_target)(input_layout, input, output_layout, output, scratch);
}

std::size_t find_nonzero(const float* values, std::size_t count, std::uint32_t* indices) {
  return HWY_DYNAMIC_DISPATCH(find_nonzero_target)(values, count, indices);
}

}  // namespace eaudeqn
#endif

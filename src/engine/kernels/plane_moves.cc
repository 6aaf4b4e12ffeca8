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
constexpr bool kFusedMultiplyAdd = HWY_TARGET <= HWY_AVX2 || HWY_TARGET == HWY_NEON;

// byte / 255 rounded correctly: 1/255 as the sum of two floats, or a division. single_forward_test.cc tries all bytes.
HWY_INLINE Vector scale_bytes(Vector bytes) {
  const Tag d;
  if constexpr (kFusedMultiplyAdd) {
    constexpr float kHigh = 1.0F / 255.0F;
    constexpr auto kLow = static_cast<float>(1.0 / 255.0 - static_cast<double>(kHigh));
    return hn::MulAdd(bytes, hn::Set(d, kHigh), hn::Mul(bytes, hn::Set(d, kLow)));
  } else {
    return hn::Div(bytes, hn::Set(d, 255.0F));
  }
}

// Where column x of a row goes: phases[x + before mod stride] + (x + before) / stride, the phases `plane` apart.
struct SplitRow {
  std::size_t stride, before, plane;
  float* output;

  float* at(std::size_t x) const { return output + (x + before) % stride * plane + (x + before) / stride; }
};

SplitRow split_row(const SplitLayout& layout, float* output, std::size_t channel, std::size_t y) {
  const std::size_t s = layout.stride;
  const std::size_t row = y + layout.before_rows;
  return {s, layout.before_columns, layout.plane,
          output + (channel * s + row % s) * s * layout.plane + row / s * layout.pitch};
}

#if HWY_TARGET != HWY_SCALAR  // the baseline has no vectors

// A vector of bytes kPhases apart is a vector of words with all but one byte cleared.
void split_byte_row_by_four(const std::uint8_t* input, std::size_t width, const SplitRow& to) {
  const IntegerTag di;
  const Tag d;
  const std::size_t words = width / 4;
  float* phases[4] = {to.at(0), to.at(1), to.at(2), to.at(3)};
  const auto low = hn::Set(di, 0xFF);
  for (std::size_t i = 0; i < words; i += kWidth) {
    const std::size_t first = std::min(i, words - kWidth);  // the last vector overlaps the one before
    const auto word = hn::BitCast(di, hn::LoadU(hn::Repartition<std::uint8_t, IntegerTag>(), input + 4 * first));
    const hn::RebindToUnsigned<IntegerTag> du;
    const auto bits = hn::BitCast(du, word);
    hn::StoreU(scale_bytes(hn::ConvertTo(d, hn::And(word, low))), d, phases[0] + first);
    hn::StoreU(scale_bytes(hn::ConvertTo(d, hn::And(hn::BitCast(di, hn::ShiftRight<8>(bits)), low))), d,
               phases[1] + first);
    hn::StoreU(scale_bytes(hn::ConvertTo(d, hn::And(hn::BitCast(di, hn::ShiftRight<16>(bits)), low))), d,
               phases[2] + first);
    hn::StoreU(scale_bytes(hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<24>(bits)))), d, phases[3] + first);
  }
}

void load_byte_row(const std::uint8_t* input, std::size_t width, float* output) {
  const IntegerTag di;
  const Tag d;
  for (std::size_t i = 0; i < width; i += kWidth) {
    const std::size_t first = std::min(i, width - kWidth);
    const auto bytes = hn::LoadU(hn::Rebind<std::uint8_t, IntegerTag>(), input + first);
    hn::StoreU(scale_bytes(hn::ConvertTo(d, hn::PromoteTo(di, bytes))), d, output + first);
  }
}

void split_float_row_by_two(const float* input, std::size_t width, const SplitRow& to) {
  const Tag d;
  const std::size_t pairs = width / 2;
  float* phases[2] = {to.at(0), to.at(1)};
  for (std::size_t i = 0; i < pairs; i += kWidth) {
    const std::size_t first = std::min(i, pairs - kWidth);
    const Vector a = hn::LoadU(d, input + 2 * first);
    const Vector b = hn::LoadU(d, input + 2 * first + kWidth);
    hn::StoreU(hn::ConcatEven(d, b, a), d, phases[0] + first);
    hn::StoreU(hn::ConcatOdd(d, b, a), d, phases[1] + first);
  }
}

// Whole vectors of a row; returns how many columns they held.
std::size_t split_byte_row(const std::uint8_t* input, std::size_t width, const SplitRow& to) {
  if (to.stride == 4 && width / 4 >= kWidth) {
    split_byte_row_by_four(input, width, to);
    return width / 4 * 4;
  }
  if (to.stride != 1 || width < kWidth) return 0;
  load_byte_row(input, width, to.at(0));
  return width;
}

std::size_t split_float_row(const float* input, std::size_t width, const SplitRow& to) {
  if (to.stride != 2 || width / 2 < kWidth) return 0;
  split_float_row_by_two(input, width, to);
  return width / 2 * 2;
}

#else

std::size_t split_byte_row(const std::uint8_t*, std::size_t, const SplitRow&) { return 0; }
std::size_t split_float_row(const float*, std::size_t, const SplitRow&) { return 0; }

#endif

void split_bytes_target(const std::uint8_t* input, std::size_t channels, std::size_t height, std::size_t width,
                        const SplitLayout& layout, float* output) {
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t y = 0; y < height; ++y, input += width) {
      const SplitRow to = split_row(layout, output, c, y);
      for (std::size_t x = split_byte_row(input, width, to); x < width; ++x)
        *to.at(x) = static_cast<float>(input[x]) / 255.0F;
    }
  }
}

void split_floats_target(const float* input, std::size_t pitch, std::size_t plane, std::size_t channels,
                         std::size_t height, std::size_t width, const SplitLayout& layout, float* output) {
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t y = 0; y < height; ++y) {
      const float* row = input + c * plane + y * pitch;
      const SplitRow to = split_row(layout, output, c, y);
      if (layout.stride == 1) {
        std::copy_n(row, width, to.at(0));
        continue;
      }
      for (std::size_t x = split_float_row(row, width, to); x < width; ++x) *to.at(x) = row[x];
    }
  }
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
      std::fill_n(scratch, left, nothing);
      std::fill_n(scratch + left + in.width, 3 + 2 * kWidth, nothing);
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

void max_pool_planes(const PlaneLayout& input_layout, const float* input, const PlaneLayout& output_layout,
                     float* output, float* scratch) {
  HWY_DYNAMIC_DISPATCH(max_pool_planes_target)(input_layout, input, output_layout, output, scratch);
}

std::size_t find_nonzero(const float* values, std::size_t count, std::uint32_t* indices) {
  return HWY_DYNAMIC_DISPATCH(find_nonzero_target)(values, count, indices);
}

}  // namespace eaudeqn
#endif
